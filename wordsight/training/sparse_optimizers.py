"""Updates of tables by rows: what a step does to a table of K concepts costs as much as the rows that it has read.

A table's gradient is sparse: it names rows. Weights, moments and decay are those of AdamW or SGD run on each row alone,
over the steps in which the row was read. (Moments of rows that were not read don't fade, as in
``torch.optim.SparseAdam``; unlike there, each row counts its own steps, so that the bias of a moment is corrected by
the number of gradients that it has seen.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from wordsight.heads.concept_table import ConceptTable
from wordsight.objectives.processes import processes

Group = dict[str, Any]


class RowAdamW(torch.optim.AdamW):
    """AdamW, for sparse gradients row by row."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group, parameter, gradient in _take_sparse(self.param_groups):
            _adamw_rows(parameter, gradient, group, self.state[parameter])
        super().step(closure)


class RowSGD(torch.optim.SGD):
    """SGD with momentum, for sparse gradients row by row."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group, parameter, gradient in _take_sparse(self.param_groups):
            _sgd_rows(parameter, gradient, group, self.state[parameter])
        super().step(closure)


def _take_sparse(groups: Iterable[Group]) -> Iterator[tuple[Group, Tensor, Tensor]]:
    """Every sparse gradient, taken from its parameter: torch's own step refuses them."""
    for group in groups:
        for parameter in group["params"]:
            if parameter.grad is not None and parameter.grad.is_sparse:
                gradient, parameter.grad = parameter.grad.coalesce(), None
                yield group, parameter, gradient


def _adamw_rows(parameter: Tensor, gradient: Tensor, group: Group, state: dict[str, Tensor]) -> None:
    """One step of AdamW on the rows of a gradient, in the order of operations of torch's own."""
    beta1, beta2 = group["betas"]
    if not state:
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        # Of each row its own; torch's AdamW insists on the name when it reads a state back.
        state["step"] = torch.zeros(len(parameter), device=parameter.device)
    rows_R, gradient_R = gradient.indices()[0], gradient.values()
    steps_R = state["step"][rows_R] + 1
    mean_R = state["exp_avg"][rows_R].lerp_(gradient_R, 1 - beta1)
    square_R = state["exp_avg_sq"][rows_R].mul_(beta2).addcmul_(gradient_R, gradient_R, value=1 - beta2)
    for name, values in (("step", steps_R), ("exp_avg", mean_R), ("exp_avg_sq", square_R)):
        state[name].index_copy_(0, rows_R, values)
    steps_R = steps_R.view(-1, *[1] * (parameter.ndim - 1))
    divisor_R = square_R.sqrt_().div_((1 - beta2**steps_R).sqrt_()).add_(group["eps"])
    change_R = mean_R.div_(divisor_R).mul_(group["lr"] / (1 - beta1**steps_R))
    kept = 1 - group["lr"] * group["weight_decay"]
    parameter.index_copy_(0, rows_R, parameter[rows_R].mul_(kept).sub_(change_R))


def _sgd_rows(parameter: Tensor, gradient: Tensor, group: Group, state: dict[str, Tensor]) -> None:
    """One step of SGD on the rows of a gradient; a momentum of zero is the one before the first step."""
    rows_R, gradient_R = gradient.indices()[0], gradient.values()
    gradient_R = gradient_R.add(parameter[rows_R], alpha=group["weight_decay"])
    if group["momentum"]:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        momentum_R = state["momentum_buffer"][rows_R].mul_(group["momentum"]).add_(gradient_R)
        state["momentum_buffer"].index_copy_(0, rows_R, momentum_R)
        gradient_R = gradient_R.add_(momentum_R, alpha=group["momentum"]) if group["nesterov"] else momentum_R
    parameter.index_add_(0, rows_R, gradient_R, alpha=-group["lr"])


def leave_tables_out(module: nn.Module) -> None:
    """Have ``DistributedDataParallel`` leave the gradients of tables alone; :func:`average_rows` averages them.

    Args:
        module: What is going to be wrapped.
    """
    tables = {id(p) for part in module.modules() if isinstance(part, ConceptTable) for p in part.parameters()}
    names = [name for name, parameter in module.named_parameters() if id(parameter) in tables]
    if names:
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, names)


def average_rows(parameters: Iterable[nn.Parameter]) -> None:
    """Average the sparse gradients over processes, all of which have read the same rows.

    Args:
        parameters: All parameters, in the same order in every process.
    """
    _, world = processes()
    if world == 1:
        return
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            dist.all_reduce(parameter.grad.values())
            parameter.grad.values().div_(world)


def clip_gradients(parameters: Iterable[nn.Parameter], longest: float) -> Tensor:
    """Shorten all gradients, taken as one vector, to a length; sparse ones too.

    Args:
        parameters: The parameters.
        longest: The greatest length.

    Returns:
        The length before.
    """
    dense, sparse = [], []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            sparse.append(parameter.grad.values())
        elif parameter.grad is not None:
            dense.append(parameter)
    norm = nn.utils.get_total_norm([*(p.grad for p in dense if p.grad is not None), *sparse])
    nn.utils.clip_grads_with_norm_(dense, longest, norm)
    share = (longest / (norm + 1e-6)).clamp(max=1.0)
    for values in sparse:
        values.mul_(share)
    return norm
