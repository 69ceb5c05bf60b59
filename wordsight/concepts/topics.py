"""`topics` (TP_LDA; Gomez et al. 2017): topics of the captions by LDA, an example's probabilities are its targets.

https://arxiv.org/abs/1705.08631
https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.documents import Preparation, Source, bags_of, documents_of
from wordsight.concepts.english import check_english
from wordsight.concepts.lda import FitSettings, TextSource, Topics, topics_of
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.language.lemmas import VERSION as LEMMAS
from wordsight.progress import console

# Examples that are looked at for the language of their texts.
_SAMPLE = 1000
# A topic that no text has so many words of is in none: what it has of a text then is what the prior gives to any.
_A_WORD = 0.5


@dataclass(frozen=True)
class TopicsSettings(FitSettings):
    """What the topics are.

    Args:
        language: Only captions in this language, where the corpus knows their languages; empty for all.
    """

    language: str = ""


def build_topics(corpus: Corpus, settings: TopicsSettings, split: str) -> ConceptSet:
    """Make a concept set from the topics that LDA finds in captions.

    A text is all captions of an example, joined. Its targets are the probabilities of its topics; those below 0.01 are
    zero, and a text without a word of the vocabulary has none. A topic is named by its most probable words. One that is
    in no text of the split is left out: none has a word of it, and it is the likeliest of none.

    Args:
        corpus: Where the captions are.
        settings: K, the filter of the vocabulary, and the fit.
        split: The captions that the topics are fitted on ("all" for every one).

    Raises:
        InputError: When there are no captions, the vocabulary is empty, or there are more topics than words.
    """
    source = TextSource("captions", settings.language, split)
    return topics_set("topics", corpus, settings, source, of="captions", language=settings.language)


def apply_topics(concepts: ConceptSet, texts: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
    """The topics of other texts.

    Args:
        concepts: A set that :func:`build_topics` or :func:`~wordsight.concepts.article_topics.build_article_topics`
            made.
        texts: The texts of each example, its captions or its article; they are joined.
    """
    topics = Topics(
        np.asarray(concepts.arrays["topics"]), concepts.arrays["vocabulary"].tolist(), concepts.settings["prior"]
    )
    preparation = Preparation(**{name: concepts.settings[name] for name in Preparation.__dataclass_fields__})
    if preparation.lemmas and concepts.settings.get("lemma_rule") != LEMMAS:
        console.print(
            f"the topics {concepts.path or concepts.kind} were made with an older rule for plurals: some words of "
            "other texts are not found in them; build them again",
            markup=False,
            soft_wrap=True,
        )
    return topics.of_bags(bags_of(("\n".join(some) for some in texts), topics.vocabulary, preparation))


def topics_set(
    kind: str, corpus: Corpus, settings: FitSettings, source: TextSource, *, of: Source, language: str
) -> ConceptSet:
    """Fit topics on some texts, and tell them of the captions or the articles of every example.

    Args:
        kind: The kind of concept set.
        corpus: The texts.
        settings: K, the filter of the vocabulary, and the fit.
        source: What the topics are fitted on.
        of: Whose topics an example has: its captions', or its article's.
        language: Only captions in this language; "" for all.
    """
    preparation, limits, fit = settings.parts()
    _check_language(corpus, preparation, source)
    topics = topics_of(corpus, source, preparation, limits, fit)
    in_split = corpus.indices(source.split)
    told = _Told(documents_of(corpus, corpus.indices(None), of, language))
    bags = bags_of(told, topics.vocabulary, preparation)
    matrix = topics.of_bags(bags)
    words = np.asarray(bags[in_split].sum(axis=1)).ravel()
    while (dead_K := ~_in_some_text(matrix[in_split], words, topics.prior)).any():
        if dead_K.all():
            raise InputError(f"no {of} of the split {source.split!r} have a word of the topics", where=corpus.path)
        topics = topics.without(dead_K)
        matrix = topics.of_bags(bags)
    left_out = fit.size - len(topics.components)
    unknown = int((np.diff(bags.indptr) == 0).sum()) - told.without
    _say(of, fit.size, left_out, told.without, unknown, len(corpus))
    return ConceptSet(
        kind=kind,
        names=topics.names(),
        matrix=matrix,
        target="probabilities",
        corpus_fingerprint=corpus.fingerprint,
        settings={
            **asdict(settings),
            "split": source.split,
            "prior": topics.prior,
            "lemma_rule": LEMMAS,
            "topics_left_out": left_out,
            f"examples_without_{of}": told.without,
            "examples_without_known_words": unknown,
        },
        arrays={"topics": topics.components, "vocabulary": np.array(topics.vocabulary)},
    )


def _in_some_text(share_TK: scipy.sparse.csr_matrix, words_T: NDArray[np.float32], prior: float) -> NDArray[np.bool_]:
    """Which topics are in some text, ``[K]``: as the likeliest of all, or with half a word or more.

    Of a text of few words even a topic that has none of them has a share above 0.01: a text's share of topic k is
    (prior + words of k) / (K prior + words), so that the prior alone gives 1 / K of a text that is short enough.

    Args:
        share_TK: The topics of the texts.
        words_T: How many words of the vocabulary each text has.
        prior: Dirichlet's alpha.
    """
    topics = share_TK.shape[1]
    of_topic_TK = scipy.sparse.diags(topics * prior + words_T) @ share_TK
    most_K = of_topic_TK.max(axis=0).toarray().ravel() - prior
    found_K: NDArray[np.bool_] = most_K >= _A_WORD
    if (known := np.diff(share_TK.indptr) > 0).any():
        found_K[np.asarray(share_TK[known].argmax(axis=1)).ravel()] = True
    return found_K


def _check_language(corpus: Corpus, preparation: Preparation, source: TextSource) -> None:
    """English stop words and lemmas would leave another language's small words to make topics of."""
    if preparation.stop_words != "en" and not preparation.lemmas:
        return
    indices = corpus.indices(source.split)
    some = indices[:: max(1, round(len(indices) / _SAMPLE))]
    texts: Iterator[tuple[str, str]] = (
        (text, corpus.languages(i)[number]) for i, number, text in corpus.caption_iter(some, source.language or None)
    )
    if source.of == "articles":
        texts = ((text, "") for text in documents_of(corpus, some, "articles") if text)
    made_for = ["stop words"] * (preparation.stop_words == "en") + ["lemmas"] * preparation.lemmas
    check_english(
        texts,
        corpus,
        why=f"the {' and '.join(made_for)} are",
        mend=f"give {setting('stop_words')} of their language (de, fr, ... or '') and {setting('lemmas', False)}",
    )


class _Told:
    """Documents, and how many of those that were gone through are empty."""

    def __init__(self, documents: Iterable[str]) -> None:
        self._documents, self.without = documents, 0

    def __iter__(self) -> Iterator[str]:
        for document in self._documents:
            self.without += not document
            yield document


def _say(of: Source, size: int, left_out: int, without: int, unknown: int, examples: int) -> None:
    """What a person should know of a set that is not as full as was asked for."""
    if left_out:
        console.print(f"topics that are in no text, left out: {left_out} of {size}")
    if without:
        console.print(f"examples without {of}: {without:,} of {examples:,}; no targets")
    if unknown:
        console.print(f"examples whose {of} hold no word of the topics: {unknown:,} of {examples:,}; no targets")
