"""A network ready for inference, and fingerprints of its weights and of what it computes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from wordsight.vision.backbones import Backbone
from wordsight.vision.modes import evaluating


@contextmanager
def ready(module: nn.Module, device: torch.device) -> Iterator[None]:
    """A network in evaluation mode on a device; afterwards mode, device and memory order are as they were.

    A network may be in the middle of its training. Meanwhile its filters lie in channels-last order.

    Args:
        module: The network.
        device: Where it is to compute.
    """
    home = next((tensor.device for tensor in module.parameters()), device)
    filters = [tensor for tensor in module.parameters() if tensor.ndim == 4]
    plain = all(tensor.is_contiguous() for tensor in filters)
    with evaluating(module):
        try:
            # Channels last is what convolutions are quickest in on every device that is known here.
            module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            yield
        finally:
            # Weights that were contiguous are so again: a person's own code may take views of them.
            order = torch.contiguous_format if plain else torch.preserve_format
            module.to(home, memory_format=order)  # type: ignore[call-overload]


def weights_fingerprint(module: nn.Module) -> str:
    """Hash of a network's parameters and buffers, their names, shapes and types.

    Two networks of equal weights share it, whatever code runs them: see :func:`behaviour`.

    Args:
        module: The network; it is not changed.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def behaviour(backbone: Backbone, side: int, layers: Sequence[str] = ()) -> str:
    """Fingerprint of a backbone's outputs for a fixed noise image: what its weights don't tell.

    Strides, the code of a person's own ``forward`` and the preprocessing change features and no weight: caches need
    this beside :func:`weights_fingerprint`.

    Args:
        backbone: The backbone, on the CPU; it is left as it was found.
        side: Side of the noise image, in pixels.
        layers: Layers whose grids are taken; none for the last.

    Returns:
        For each layer the grid's shape and three of its statistics, rounded to three digits as sums differ in their
        last digits from machine to machine; then the preprocessing, where it is not ImageNet's with a centre crop.
    """
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with ready(backbone, torch.device("cpu")), torch.inference_mode():
        grids = backbone.tap_all(image, layers) if layers else {"": backbone(image)}
    traits = []
    for layer, grid in grids.items():
        size = grid.double().abs()
        slope = torch.linspace(0, 1, size.numel(), dtype=torch.float64).view_as(size)
        numbers = " ".join(
            f"{float(number):.3g}" for number in (size.mean(), size.square().mean(), (slope * size).mean())
        )
        traits.append(f"{layer} {tuple(grid.shape)} {numbers}")
    preprocessing = backbone.preprocessing
    # The defaults are left out: caches of earlier versions knew nothing else.
    if not preprocessing.usual:
        traits.append(f"mean {tuple(preprocessing.mean)} std {tuple(preprocessing.std)}")
    if preprocessing.framing != "crop":
        traits.append(preprocessing.framing)
    return "; ".join(traits)
