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
    """Put a network into evaluation mode on a device, and back as it was: it may be in the middle of its training."""
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
    """Hash of a network's weights and running statistics."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def behaviour(backbone: Backbone, side: int, layers: Sequence[str] = ()) -> str:
    """What no weight tells of a network (strides, the code of a person's own ``forward``): traits of what it gives.

    Args:
        backbone: The backbone, on the CPU; it is left as it was found.
        side: Side of the made image that it is shown, in pixels.
        layers: The layers that are asked; none for the last.

    Returns:
        The sizes of the layers' grids, and numbers that change when a value does; rounded, as sums differ in their last
        digits from machine to machine. And how it is shown its images, where that is not as usual.
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
    shown = backbone.preprocessing
    # What is usual goes unsaid: it was before there was anything else.
    if not shown.usual:
        traits.append(f"mean {tuple(shown.mean)} std {tuple(shown.std)}")
    if shown.framing != "crop":
        traits.append(shown.framing)
    return "; ".join(traits)
