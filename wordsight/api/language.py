"""The verb that trains a language model of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.api.corpus import open_corpus
from wordsight.atomic import sweep, sweep_within
from wordsight.corpus import Corpus
from wordsight.locks import sole_writer
from wordsight.settings import from_mapping

# What computes with torch is imported by the verb that needs it: a look into a corpus should not wait for it.
if TYPE_CHECKING:
    from wordsight.training.language.language_settings import LanguageSettings
    from wordsight.training.language.saved_folder import TrainedLanguageModel


def train_language_model(
    settings: LanguageSettings | Mapping[str, Any] | None = None,
    *,
    out: Path | str,
    corpus: Corpus | Path | str | None = None,
    split: str | None = None,
    language: str | None = None,
    text: Sequence[Path | str] = (),
    column: str | None = None,
    resume: bool = False,
) -> TrainedLanguageModel:
    """Train a small BERT and its vocabulary from scratch on captions, on text files, or on both.

    Args:
        settings: Sizes and values of the training, as their dataclass or by name; what is not given has its default.
        out: The folder to make.
        corpus: A corpus folder whose captions are read.
        split: The split of the corpus, or several with commas between them; by default train where there are splits,
            else all.
        language: Only captions of this language, such as de, where the corpus knows their languages.
        text: Text files, or a pattern in quotes (``'texts/*.tsv.gz'``): plain text with a sentence a line; a table
            (.tsv, .csv, .jsonl, .parquet, and .txt or .token where the column is named); COCO captions (.json). Packed
            ones (.gz) are read too.
        column: Of tables, the column that holds the text: its name, or its number from 1 for a table without names.
        resume: Go on from the checkpoint in the folder, to the same numbers as if it had never stopped.

    Raises:
        InputError: When there is too little text, a file can't be read, ``out`` exists, or another process trains into
            it.
        KeyboardInterrupt: When the person stopped it; a checkpoint is written first.

    Examples:
        >>> import wordsight
        >>> small = {"layers": 2, "epochs": 4}
        >>> model = wordsight.train_language_model(small, text=["english.txt"], out="language/en")  # doctest: +SKIP
    """
    from wordsight.language.texts import SentenceReader
    from wordsight.training.language.language_settings import LanguageSettings
    from wordsight.training.language.train import train_language_model as train

    if settings is None or isinstance(settings, Mapping):
        settings = from_mapping(LanguageSettings, settings or {}, "settings", within="")
    if corpus is not None:
        corpus = open_corpus(corpus)
        split = split or corpus.default_split("train")
    texts = SentenceReader(corpus, split, language, tuple(Path(file) for file in text), column)
    out = Path(out)
    with sole_writer(out):
        sweep(out)
        sweep_within(out)
        return train(texts, settings, out, sources=texts.sources, resume=resume)
