"""The verbs as typed functions: what `import wordsight` offers, and all that the command line calls."""

from wordsight.api.caption import caption
from wordsight.api.compare import compare
from wordsight.api.corpus import build_concepts, build_corpus, describe_concepts, open_corpus
from wordsight.api.coverage import coverage
from wordsight.api.demo import demo
from wordsight.api.evaluate import evaluate
from wordsight.api.explain import explain_map, explain_photo, explain_words
from wordsight.api.language import train_language_model
from wordsight.api.pretrain import load_backbone, open_run, pretrain, recipe_settings
from wordsight.api.report import report
from wordsight.api.sweep import sweep
from wordsight.concepts import CONCEPT_SETS, ConceptSet
from wordsight.concepts.describe import ConceptSummary
from wordsight.corpus import READERS, BuildSettings
from wordsight.corpus.show import CorpusSummary, describe, rejects
from wordsight.recipes import recipe_names

__all__ = [
    "CONCEPT_SETS",
    "READERS",
    "BuildSettings",
    "ConceptSet",
    "ConceptSummary",
    "CorpusSummary",
    "build_concepts",
    "build_corpus",
    "caption",
    "compare",
    "coverage",
    "demo",
    "describe",
    "describe_concepts",
    "evaluate",
    "explain_map",
    "explain_photo",
    "explain_words",
    "load_backbone",
    "open_corpus",
    "open_run",
    "pretrain",
    "recipe_names",
    "recipe_settings",
    "rejects",
    "report",
    "sweep",
    "train_language_model",
]
