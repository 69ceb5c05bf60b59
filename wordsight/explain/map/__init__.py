"""The map: held-out images laid out so that those with similar features lie together, by t-SNE.

Drawn as a picture of thumbnails that hide nothing of one another (as in Fig. 3 of Joulin et al. 2016 for words), and as
one HTML page to walk about in, which asks for nothing from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluation.features.extract import extract_features, view_batches
from wordsight.evaluation.features.feature_checks import check_features
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.explain.map.embedding import check_installed, embed
from wordsight.explain.map.grid import snap
from wordsight.explain.map.map_images import MapImages, images_of_corpus, images_of_task
from wordsight.explain.map.map_labels import colour_labels
from wordsight.explain.map.map_settings import MapSettings
from wordsight.explain.map.page import thumbnail_side, write_page
from wordsight.explain.map.picture import write_picture
from wordsight.ranges import LEAST_ON_MAP

__all__ = ["ImageMap", "MapImages", "MapSettings", "check_installed", "draw_map", "images_of_corpus", "images_of_task"]


@dataclass(frozen=True)
class ImageMap:
    """A map that was drawn.

    Args:
        picture: The PNG.
        page: The HTML page.
        count: How many images are on it.
    """

    picture: Path
    page: Path
    count: int


def draw_map(model: EvaluatedModel, images: MapImages, settings: MapSettings, out: Path) -> ImageMap:
    """Lay out images by their features, and draw them.

    Args:
        model: Whose backbone gives the features.
        images: The images, with what is known of them.
        settings: How they are laid out.
        out: The folder that ``map.png`` and ``map.html`` are written into.

    Raises:
        InputError: When openTSNE is not installed, there are too few images, one can't be decoded, the features hold
            nothing, or the files can't be written.
    """
    check_installed()
    if out.exists() and not out.is_dir():
        raise InputError("is a file", where=out, expected="a folder")
    if len(images) < LEAST_ON_MAP:
        raise InputError(
            f"{len(images)} images", where=images.name, expected=f"{LEAST_ON_MAP} or more to draw a map of"
        )
    features_NC = extract_features(model.backbone, images.images, model.image_size, device=model.device)
    check_features(features_NC, model.name)
    grid = snap(embed(features_NC, settings.perplexity, settings.seed))
    views = [batch.numpy() for batch in view_batches(images.images, thumbnail_side(len(images)), framing=model.framing)]
    thumbnails_NHW3 = np.concatenate(views).transpose(0, 2, 3, 1)
    keys = colour_labels(images.labels)
    title = f"{model.name}: {images.name}"
    return ImageMap(
        picture=write_picture(out / "map.png", title, thumbnails_NHW3, grid, keys, images.labels),
        page=write_page(out / "map.html", title, thumbnails_NHW3, grid, keys, images),
        count=len(images),
    )
