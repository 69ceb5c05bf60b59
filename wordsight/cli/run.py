"""The verbs about runs: `pretrain`, `evaluate`, `explain photo`, `report`, and `demo`, which is all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli.verb import Group, Verb

if TYPE_CHECKING:
    from wordsight.cli.arguments import Source, Values


@dataclass(frozen=True)
class PretrainArguments:
    """What a run is trained on, and where it goes.

    Args:
        corpus: The corpus folder.
        out: The run folder to make.
        split: The split to train on; by default train where there are splits, else all.
        resume: Go on from the checkpoint in the run folder, to the same numbers as if it had never stopped.
    """

    corpus: Path = field(kw_only=True)
    out: Path = field(kw_only=True)
    split: str | None = None
    resume: bool = False


@dataclass(frozen=True)
class ExplainPhotoArguments:
    """What is explained.

    Args:
        run: The run folder.
        photo: The photo's file.
        caption: A sentence about the photo, in quotes.
        out: The picture to write; its ending (.png, .jpg, .svg, .pdf) names the format. By default it goes into the run folder.
    """

    run: Path
    photo: Path
    caption: str
    out: Path | None = None


@dataclass(frozen=True)
class ReportArguments:
    """What is reported.

    Args:
        run: The run folder.
    """

    run: Path


@dataclass(frozen=True)
class DemoArguments:
    """Where the demonstration goes.

    Args:
        out: The run folder to make; its corpora are made beside the run, in the folder's corpora/.
        overwrite: Replace the demonstration that is there already.
    """

    out: Path = Path("runs/demo")
    overwrite: bool = False


def _pretrain_sources() -> list[Source]:
    from wordsight.api import PretrainSettings
    from wordsight.cli.arguments import Source

    return [Source(PretrainArguments), Source(PretrainSettings, title="settings of the run")]


def _pretrain(values: Values) -> None:
    from wordsight import api

    run = api.pretrain(api.PretrainSettings(**values.of(api.PretrainSettings)), **values.of(PretrainArguments))
    print(
        f"trained {run.path} in {run.info.seconds:,.0f} s; next: wordsight evaluate {run.path} --task folder:DIR, "
        f"or wordsight report {run.path}"
    )


def _recipe_file(name: str) -> Path:
    from wordsight.recipes import recipe_file

    return recipe_file(name)


def _recipes_text() -> str:
    from wordsight.recipes import recipe_names

    return f"A recipe, by name or file; flags go before its values. Names: {', '.join(recipe_names())}."


PRETRAIN = Verb(
    summary="Train a backbone from scratch on a corpus.",
    example="wordsight pretrain --recipe icmlm-attfc-resnet18-small --corpus corpora/flickr8k --out runs/a",
    sources=_pretrain_sources,
    call=_pretrain,
    interrupted="the last checkpoint is kept: go on with the same command and --resume true",
    values_flag=("--recipe", _recipes_text()),
    values_file=_recipe_file,
)
