"""The backbone: a network that turns images into a grid of features, every layer named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from wordsight.errors import InputError, unknown
from wordsight.ranges import Stages, Stride, check_ranges
from wordsight.vision.preprocessing import Preprocessing
from wordsight.vision.views import prepare

if TYPE_CHECKING:
    from wordsight.vision.any_image import AnyImage


@dataclass(frozen=True)
class BackboneSettings:
    """Strides and depth of a ResNet (a finer grid costs time and keeps smaller things apart), and what goes in.

    Args:
        stem_stride: Stride of the stem: 4 as published, 2 without its max-pooling, 1 with a 3x3 convolution.
        last_stride: Stride of the last stage: 2 as published, 1 for a grid of twice the side.
        stages: How many of the four stages are kept; the fourth holds three quarters of the weights.
        sobel: Show the network the edges of the grey image instead of colours, as DeeperCluster does; for networks of
            torchvision.
        fully_connected: Keep fc6 and fc7 of AlexNet or a VGG of torchvision, as the papers before ICMLM did. The last
            grid is then one cell: for tags and topics, not for attention.
    """

    stem_stride: Stride = 4
    last_stride: Stride = 2
    stages: Stages = 4
    sobel: bool = False
    fully_connected: bool = False

    def __post_init__(self) -> None:
        check_ranges(self, "backbone_settings")
        if self.stem_stride not in (1, 2, 4):
            raise InputError(f"stem_stride is {self.stem_stride}", expected="1, 2 or 4")
        if self.last_stride not in (1, 2):
            raise InputError(f"last_stride is {self.last_stride}", expected="1 or 2")


class Backbone(nn.Module):
    """A network that turns images into a grid of features.

    Args:
        network: The network; its forward gives the last layer's grid [B, C, H, W].
        taps: Name of each layer to the module inside ``network`` whose output it is, from the image upwards.
        out_channels: Channels C of the last layer.

    Attributes:
        origin: Where its weights came from, where they are not random.
        warnings: What a reader of its numbers should know of its weights, a sentence each.
        notes: What could not be as its settings ask, a sentence each.
        source: The network of a library that it was made of: ``timm:NAME``, ``torchvision:NAME``; "" for any other.
        preprocessing: How images are shown to it.
        still: Names of the modules inside ``network`` that stay in evaluation mode (`wordsight.vision.locking`).

    Examples:
        >>> import torch
        >>> import wordsight
        >>> from PIL import Image
        >>> backbone = wordsight.load_backbone("runs/a")
        >>> images = backbone.preprocess(Image.open("photos/red-circle-0.png"))
        >>> tuple(images.shape), tuple(backbone(images).shape), backbone.layers
        ((1, 3, 32, 32), (1, 512, 2, 2), ['stem', 'res2', 'res3', 'res4', 'res5'])
    """

    def __init__(
        self,
        network: nn.Module,
        taps: dict[str, str],
        out_channels: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.origin = ""
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.source = ""
        self.preprocessing = Preprocessing()
        self.still: set[str] = set()
        self.out_channels = out_channels
        self._taps = taps

    @property
    def layers(self) -> list[str]:
        """Names of the layers that can be tapped, from the image upwards."""
        return list(self._taps)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] to the last layer's grid [B, C, H', W']."""
        grid: Tensor = self.network(images_BCHW)
        return grid

    def train(self, mode: bool = True) -> Self:
        """Put it into training mode, but for what is to stay in evaluation mode."""
        super().train(mode)
        # By name: what makes batch norm that of all processes may have put other modules in their places.
        for name in self.still:
            self.network.get_submodule(name).training = False
        return self

    def preprocess(self, images: AnyImage | Sequence[AnyImage]) -> Tensor:
        """Images to what the backbone reads: framed, scaled, normalised as :attr:`preprocessing` says.

        The same numbers as evaluation sees. To frame otherwise, or at another side::

            backbone.preprocessing = dataclasses.replace(backbone.preprocessing, side=224, framing="pad")

        Args:
            images: A PIL image; a tensor ``[3, H, W]`` or ``[B, 3, H, W]`` of pixels, uint8 from 0 to 255 or floats
                from 0 to 1; or a list of these, whose sizes may differ.

        Returns:
            float32 ``[B, 3, side, side]`` on the backbone's device, without gradients; one image is a batch of one.

        Raises:
            InputError: When it is none of these, or its values are no pixels.
        """
        from wordsight.vision.any_image import as_views

        home = next((tensor.device for tensor in self.parameters()), torch.device("cpu"))
        return self.prepare(as_views(images, self.preprocessing).to(home))

    def prepare(self, views_BCHW: Tensor, colours_BF: Tensor | None = None) -> Tensor:
        """Views to what the backbone reads: coloured, and normalised by its own mean and spread.

        Args:
            views_BCHW: Square views of pixels from 0 to 255, uint8 or float [B, 3, H, W].
            colours_BF: How the colours of each view are changed, as its settings drew it; None where they stay.

        Returns:
            float32 [B, 3, H, W].
        """
        return prepare(views_BCHW, colours_BF, self.preprocessing.mean, self.preprocessing.std)

    def tap(self, images_BCHW: Tensor, layer: str) -> Tensor:
        """The grid of one named layer.

        Args:
            images_BCHW: Normalised images.
            layer: One of :attr:`layers`.

        Raises:
            InputError: When there is no such layer.
        """
        return self.tap_all(images_BCHW, [layer])[layer]

    def tap_all(self, images_BCHW: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """The grids of several named layers, in one pass.

        Args:
            images_BCHW: Normalised images.
            layers: Some of :attr:`layers`.

        Raises:
            InputError: When there is no such layer.
        """
        with self._listen(layers) as heard:
            self.network(images_BCHW)
        return {layer: heard[layer] for layer in layers}

    @contextmanager
    def _listen(self, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        heard: dict[str, Tensor] = {}

        def keeper(layer: str) -> Callable[[nn.Module, Any, Tensor], None]:
            def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
                heard[layer] = output

            return keep

        for layer in layers:
            if layer not in self._taps:
                raise unknown("layer", layer, self.layers)
        modules = [(layer, self.network.get_submodule(self._taps[layer])) for layer in layers]
        handles = [module.register_forward_hook(keeper(layer)) for layer, module in modules]
        try:
            yield heard
        finally:
            for handle in handles:
                handle.remove()
