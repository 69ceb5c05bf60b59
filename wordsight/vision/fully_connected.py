"""AlexNet and VGG with their fully connected layers ``fc6`` and ``fc7``, as the papers before ICMLM trained and probed.

Each fully connected layer gives a grid of one cell: nothing can be located in it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

# The first of the two that keep their width; the third is the classifier of a thousand classes.
_NAMES = ("fc6", "fc7")


class FullyConnected(nn.Module):
    """A network of torchvision up to ``fc7``, under torchvision's own parameter names.

    Args:
        network: AlexNet or a VGG.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.features: nn.Sequential = network.features
        self.avgpool: nn.Module = network.avgpool
        layers = list(network.classifier.children())
        last = max(place for place, layer in enumerate(layers) if isinstance(layer, nn.Linear))
        kept = layers[: last - 1] if isinstance(layers[last - 1], nn.Dropout) else layers[:last]
        for layer in kept:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.classifier = nn.Sequential(*kept)
        self.fc6, self.fc7 = nn.Identity(), nn.Identity()

    @property
    def out_channels(self) -> int:
        """Width of ``fc7``."""
        return [layer.out_features for layer in self.classifier if isinstance(layer, nn.Linear)][-1]

    @property
    def taps(self) -> dict[str, str]:
        """Name of each fully connected layer to the module whose output it is."""
        return {name: name for name in _NAMES}

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Normalised images to the grid of one cell ``[B, D, 1, 1]`` of ``fc7``, after its ReLU."""
        found_BD = self.avgpool(self.features(images_BCHW)).flatten(1)
        cells: list[Tensor] = []
        for layer in self.classifier:
            found_BD = layer(found_BD)
            if isinstance(layer, nn.ReLU):
                # An identity for each, so that what is tapped is a grid.
                cells.append(getattr(self, _NAMES[len(cells)])(found_BD[:, :, None, None]))
        return cells[-1]
