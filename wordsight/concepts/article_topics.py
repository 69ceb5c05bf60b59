"""`article-topics` (Patel et al. 2019, Section 4): topics of the articles, told of the articles or of the captions.

Two such sets, one of each, give their Eq. 1: two heads on one backbone, the sum of both losses. The fit is the same for
both and is made once.

https://arxiv.org/abs/1902.00378
"""

from __future__ import annotations

from dataclasses import dataclass

from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.documents import Source
from wordsight.concepts.lda import FitSettings, TextSource
from wordsight.concepts.topics import topics_set
from wordsight.corpus.store import Corpus


@dataclass(frozen=True)
class ArticleTopicsSettings(FitSettings):
    """What the topics of articles are, and whose are an example's targets.

    Args:
        of: Whose topics an example has: those of its article, or those of its captions, joined.
    """

    of: Source = "articles"


def build_article_topics(corpus: Corpus, settings: ArticleTopicsSettings, split: str) -> ConceptSet:
    """Make a concept set from the topics that LDA finds in articles, of articles or of captions.

    Targets are probabilities as of the kind "topics". An example without an article (or, ``of`` captions, without one)
    has none; how many is said, and stands in the set's settings.

    Args:
        corpus: Where the articles are.
        settings: Of which texts, K, the filter of the vocabulary, and the fit.
        split: The articles that the topics are fitted on ("all" for every one).

    Raises:
        InputError: When there are no articles, the vocabulary is empty, or there are more topics than words.
    """
    return topics_set(
        "article-topics", corpus, settings, TextSource("articles", "", split), of=settings.of, language=""
    )
