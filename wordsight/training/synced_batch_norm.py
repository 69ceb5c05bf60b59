"""Batch norm over the images of all processes, on any device: several processes train as one.

PyTorch's own refuses the CPU, in its forward and again in ``DistributedDataParallel``; and its conversion takes the
activation off timm's layers that hold one (``BatchNormAct2d``), which timm's conversion keeps.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

M = TypeVar("M", bound=nn.Module)


class _SumOverProcesses(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class SyncedBatchNorm(_BatchNorm):
    """Batch norm whose mean and variance in training are those of all processes' images together.

    Shapes:
        Input and output: ``[B, C, ...]``, on the CPU or a GPU.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes will do."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.dim()) if axis != 1]
        values = input.float()
        count = values.new_tensor([values.numel() / values.shape[1]], dtype=torch.float64)
        # In double precision, where the difference of two large numbers keeps its digits.
        wide = values.double()
        own = torch.cat([wide.sum(axes), (wide * wide).sum(axes), count])
        summed_C, squared_C, total = cast(Tensor, _SumOverProcesses.apply(own)).split([self.num_features] * 2 + [1])
        wide_mean_C = summed_C / total
        mean_C, variance_C = wide_mean_C.float(), (squared_C / total - wide_mean_C.square()).clamp_min(0).float()
        self._follow(mean_C.detach(), variance_C.detach(), float(total.detach()))
        shape = [1, -1] + [1] * (input.dim() - 2)
        scale_C = torch.rsqrt(variance_C + self.eps) * (1 if self.weight is None else self.weight)
        shift_C = (0 if self.bias is None else self.bias) - mean_C * scale_C
        normed: Tensor = (values * scale_C.view(shape) + shift_C.view(shape)).to(input.dtype)
        return normed

    def _follow(self, mean_C: Tensor, variance_C: Tensor, count: float) -> None:
        """Move the running statistics towards those of the step, the variance without its bias."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), share)
        unbiased_C = variance_C * (count / max(count - 1, 1))
        self.running_var.lerp_(unbiased_C.to(self.running_var.dtype), share)


class _SyncedBatchNormAct(SyncedBatchNorm):
    """timm's batch norm with its dropout and activation, over all processes."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        made: Tensor = self.act(self.drop(super().forward(input)))
        return made


def synced(module: M, device: torch.device) -> M:
    """Make all batch norm inside a module read the images of all processes; its parameters stay the same ones.

    Args:
        module: The module; changed in place.
        device: Where it computes. On a GPU PyTorch's own kernels serve.
    """
    if device.type == "cuda":
        return cast(M, convert_sync_batchnorm(module))  # type: ignore[no-untyped-call]
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            # The same parameters and buffers with another forward.
            part.__class__ = _SyncedBatchNormAct if isinstance(part, BatchNormAct2d) else SyncedBatchNorm
    return module
