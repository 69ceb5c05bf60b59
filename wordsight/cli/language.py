"""The verbs about language models: `language train`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wordsight.cli.verb import Group, Verb, kept_checkpoint

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _train_sources() -> list[Source]:
    from wordsight.api.language import train_language_model
    from wordsight.cli.signatures import Source
    from wordsight.training.language.language_settings import LanguageSettings

    return [
        Source(train_language_model, skip=frozenset({"settings"})),
        Source(LanguageSettings, title="settings of the language model"),
    ]


def _train(values: Values) -> None:
    from wordsight import api
    from wordsight.api.language import train_language_model
    from wordsight.training.language.language_settings import LanguageSettings

    settings = LanguageSettings(**values.of(LanguageSettings))
    made = api.train_language_model(settings, **values.of(train_language_model))
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
