"""What the backbone makes of a batch: computed when an objective first asks, once for all that share the step."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from wordsight.batching.batch import Batch, Views
from wordsight.vision.backbones import Backbone


class Seen:
    """A batch's views as the backbone sees them.

    Args:
        backbone: The backbone.
        batch: The batch.
    """

    def __init__(self, backbone: Backbone, batch: Batch) -> None:
        self._backbone, self._batch = backbone, batch
        self._grids: dict[int, Tensor] = {}
        self._numbers: tuple[int, ...] = tuple(range(len(batch.views)))

    def grid(self, view: int = 0) -> Tensor:
        """The grid of one view of the images, [B, C, H, W]: one pass of the backbone a view, however often it is asked.

        Args:
            view: Number of the view.
        """
        number = self._numbers[view]
        if number not in self._grids:
            self._grids[number] = self.grid_of(self._batch.views[number])
        return self._grids[number]

    def showing(self, views: Sequence[int]) -> Seen:
        """The same with some of the views, counted anew; what one of the two has seen, the other need not look at.

        Args:
            views: Their numbers, in the order in which they are counted from now on.
        """
        some = Seen(self._backbone, self._batch)
        some._grids, some._numbers = self._grids, tuple(self._numbers[view] for view in views)
        return some

    def grid_of(self, views: Views) -> Tensor:
        """The grid of views that an objective has made itself, such as rotated ones; a pass of its own.

        Args:
            views: These views.
        """
        grid_BCHW: Tensor = self._backbone(self._backbone.prepare(views.images_BCHW, views.colours_BF))
        return grid_BCHW
