"""Concept sets, the paper's O: one file, one way to get one. A new way is a file and a line in ``CONCEPT_SETS``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import scipy.sparse

from wordsight.concepts.article_topics import ArticleTopicsSettings, build_article_topics
from wordsight.concepts.clusters import ClustersSettings, apply_clusters, build_clusters, files_of_clusters
from wordsight.concepts.concept_set import ConceptSet, Occurrences
from wordsight.concepts.frequent_words import WordsSettings, apply_words, build_words, places_of_words
from wordsight.concepts.labels import LabelsSettings, apply_labels, build_labels
from wordsight.concepts.ngrams import NgramsSettings, apply_ngrams, build_ngrams
from wordsight.concepts.postag import PostagSettings, apply_postag, build_postag, places_of_postag
from wordsight.concepts.splitters import splitter_version
from wordsight.concepts.subwords import SubwordsSettings, apply_subwords, build_subwords, files_of_subwords
from wordsight.concepts.synsets import SynsetsSettings, apply_synsets, build_synsets
from wordsight.concepts.topics import TopicsSettings, apply_topics, build_topics
from wordsight.corpus.store import Corpus
from wordsight.language.lemmas import VERSION as LEMMAS
from wordsight.language.tagger import tagger_name


@dataclass(frozen=True)
class ConceptKind:
    """A way to make a concept set.

    Args:
        settings: The dataclass of its settings, all with defaults.
        build: ``build(corpus, settings, split)`` makes the set: learned from the split, told for every example.
        apply: ``apply(concepts, texts)`` says which concepts of a set hold for other examples, each given as the list
            of its texts: float32 ``[examples, K]``, on the scale of the set's own matrix.
        reads: Which texts of an example those are; a set whose settings say ``of`` reads those.
        files: ``files(settings)`` names the files of the language model that a set with these settings is made with.
        places: ``places(concepts, corpus)`` says where the concepts of a set stand in the captions of any corpus, for
            concepts that are words.
        version: Grows when the same settings make another set, so that one that is kept is made again.
        tool: ``tool(settings)`` names what else a set is made with, by its version: the tagger, a splitter's package.
    """

    settings: type[Any]
    build: Callable[..., ConceptSet]
    apply: Callable[[ConceptSet, Sequence[Sequence[str]]], scipy.sparse.csr_matrix]
    reads: Literal["captions", "articles", "labels"] = "captions"
    files: Callable[[Any], list[Path]] | None = None
    places: Callable[[ConceptSet, Corpus], Occurrences] | None = None
    version: int = 1
    tool: Callable[[Any], str] | None = None


def _tagger(settings: Any) -> str:
    return tagger_name()


def _splitter(settings: Any) -> str:
    return splitter_version(settings.splitter)


CONCEPT_SETS: dict[str, ConceptKind] = {
    "postag": ConceptKind(PostagSettings, build_postag, apply_postag, places=places_of_postag, tool=_tagger),
    "labels": ConceptKind(LabelsSettings, build_labels, apply_labels, reads="labels"),
    "words": ConceptKind(WordsSettings, build_words, apply_words, places=places_of_words, tool=_splitter),
    "ngrams": ConceptKind(NgramsSettings, build_ngrams, apply_ngrams, tool=_splitter),
    "subwords": ConceptKind(SubwordsSettings, build_subwords, apply_subwords, files=files_of_subwords),
    "synsets": ConceptKind(SynsetsSettings, build_synsets, apply_synsets, version=LEMMAS, tool=_tagger),
    "clusters": ConceptKind(ClustersSettings, build_clusters, apply_clusters, files=files_of_clusters),
    "topics": ConceptKind(TopicsSettings, build_topics, apply_topics, version=LEMMAS, tool=_splitter),
    "article-topics": ConceptKind(
        ArticleTopicsSettings, build_article_topics, apply_topics, reads="articles", version=LEMMAS, tool=_splitter
    ),
}

__all__ = ["CONCEPT_SETS", "ConceptKind", "ConceptSet", "Occurrences"]
