"""The verbs about language models: `language train`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli.verb import Group, Verb, kept_checkpoint

if TYPE_CHECKING:
    from wordsight.cli.arguments import Source, Values


@dataclass(frozen=True)
class LanguageArguments:
    """What a language model is trained on, and where it goes.

    Args:
        out: The folder to make.
        corpus: A corpus folder whose captions are read.
        split: The split of the corpus, or several with commas between them; by default train where there are splits,
            else all.
        language: Only captions of this language, such as de, where the corpus knows their languages.
        text: Text files, with commas between several, or a pattern in quotes ('texts/*.tsv.gz'): plain text with a
            sentence a line; a table (.tsv, .csv, .jsonl, .parquet, and .txt or .token with --column); COCO captions
            (.json). Packed ones (.gz) are read too.
        column: Of tables, the column that holds the text: its name, or its number from 1 for a table without names.
        resume: Go on from the checkpoint in the folder, to the same numbers as if it had never stopped.
    """

    out: Path = field(kw_only=True)
    corpus: Path | None = None
    split: str | None = None
    language: str | None = None
    text: tuple[Path, ...] = ()
    column: str | None = None
    resume: bool = False


def _train_sources() -> list[Source]:
    from wordsight.cli.arguments import Source
    from wordsight.training.language.language_settings import LanguageSettings

    return [Source(LanguageArguments), Source(LanguageSettings, title="settings of the language model")]


def _train(values: Values) -> None:
    from wordsight import api
    from wordsight.training.language.language_settings import LanguageSettings

    settings = LanguageSettings(**values.of(LanguageSettings))
    made = api.train_language_model(settings, **values.of(LanguageArguments))
    print(
        f"made the language model {made.path}: {made.vocabulary:,} tokens, {settings.layers} layers of width "
        f"{settings.width}, from {made.sentences:,} sentences in {made.seconds:,.0f} s"
    )
    print(
        f"held-out masked-token accuracy {made.accuracy:.1f} % (always the most frequent token: "
        f"{made.most_frequent:.1f} %); next: wordsight pretrain --recipe icmlm-attfc-resnet18-small "
        f"--corpus {values['corpus'] or 'CORPUS'} --language {made.path} --out RUN"
    )


LANGUAGE = Group(
    "Make language models: what reads the captions.",
    lambda: {
        "train": Verb(
            summary="Train a small BERT and its vocabulary from scratch on captions or text files, in any language.",
            example="wordsight language train --corpus corpora/flickr8k --out language/captions",
            sources=_train_sources,
            call=_train,
            interrupted=kept_checkpoint,
        )
    },
)
