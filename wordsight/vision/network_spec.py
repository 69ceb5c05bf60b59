"""How a person names a network: ``timm:NAME``, ``torchvision:NAME``, either with ``+fc`` and ``@WEIGHTS``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wordsight.errors import InputError

_SPEC = re.compile(r"(?P<library>timm|torchvision):(?P<name>[^@+]+)(?P<connected>\+fc)?(@(?P<weights>.+))?")


@dataclass(frozen=True)
class NetworkSpec:
    """A network by name.

    Args:
        library: ``timm`` or ``torchvision``.
        name: Its name there.
        fully_connected: Whether ``fc6`` and ``fc7`` are kept (``+fc``).
        weights: ``pretrained``, a file, or None for random ones.

    Example:
        >>> NetworkSpec.parse("torchvision:alexnet+fc@weights.pth")
        NetworkSpec(library='torchvision', name='alexnet', fully_connected=True, weights='weights.pth')
    """

    library: str
    name: str
    fully_connected: bool
    weights: str | None

    @classmethod
    def parse(cls, spec: str) -> NetworkSpec:
        """Read what a person wrote.

        Raises:
            InputError: When it names no network.

        Examples:
            >>> NetworkSpec.parse("timm:resnet18@pretrained")
            NetworkSpec(library='timm', name='resnet18', fully_connected=False, weights='pretrained')
        """
        match = _SPEC.fullmatch(spec)
        if match is None:
            expected = "timm:NAME or torchvision:NAME, @pretrained or @FILE"
            raise InputError(f"{spec!r} names no network", expected=expected)
        return cls(match["library"], match["name"], match["connected"] is not None, match["weights"])


def is_network(spec: object) -> bool:
    """Whether a person named a network, and not a run.

    Example:
        >>> is_network("timm:resnet18"), is_network("runs/a")
        (True, False)
    """
    return isinstance(spec, str) and _SPEC.fullmatch(spec) is not None
