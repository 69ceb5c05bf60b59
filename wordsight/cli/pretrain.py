"""The verb `pretrain`: train a backbone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb, kept_checkpoint

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _pretrain_sources() -> list[Source]:
    from wordsight.api.pretrain import pretrain
    from wordsight.cli.signatures import Source
    from wordsight.training.pretrain_settings import PretrainSettings

    return [
        Source(pretrain, skip=frozenset({"recipe", "changes"})),
        Source(PretrainSettings, title="settings of the run"),
    ]


def _pretrain(values: Values) -> None:
    from wordsight import api
    from wordsight.api.pretrain import pretrain
    from wordsight.api.run_model import usual_protocol
    from wordsight.training.pretrain_settings import PretrainSettings

    run = api.pretrain(PretrainSettings(**values.of(PretrainSettings)), **values.of(pretrain))
    evaluate, protocol = f"wordsight evaluate {run.path}", usual_protocol(run)
    heads = f"{evaluate} --corpus {values['corpus']} --protocol {protocol}, " if protocol else ""
    print(
        f"trained {run.path} in {run.info.seconds:,.0f} s; next: {evaluate} --task folder:DIR, {heads}"
        f"or wordsight report {run.path}"
    )


def _recipe_file(name: str) -> Path:
    from wordsight.recipes import recipe_file

    return recipe_file(name)


def _recipes_text() -> str:
    from wordsight.recipes import recipe_names

    return f"A recipe, by name or file; flags override the recipe. Names: {', '.join(recipe_names())}."


PRETRAIN = Verb(
    summary="Train a backbone from scratch on a corpus.",
    example="wordsight pretrain --recipe icmlm-attfc-resnet18-small --corpus corpora/flickr8k --out runs/a",
    sources=_pretrain_sources,
    call=_pretrain,
    interrupted=kept_checkpoint,
    values_flag=("--recipe", _recipes_text()),
    values_file=_recipe_file,
)
