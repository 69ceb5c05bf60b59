"""wordsight learns to see from captions: captioned images in, a trained, measured and explained backbone out.

The verbs of the command line are functions here:

    import wordsight

    corpus = wordsight.build_corpus(wordsight.READERS["coco"](captions, images), out="corpora/flickr8k")
    run = wordsight.pretrain("icmlm-attfc-resnet18-small", corpus=corpus, out="runs/a", epochs=20)
    wordsight.evaluate(run, task="folder:imagenette", protocols=["logistic"])
    backbone = wordsight.load_backbone(run)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from wordsight.api import (
        READERS,
        BuildSettings,
        ConceptSet,
        build_concepts,
        build_corpus,
        caption,
        compare,
        coverage,
        demo,
        evaluate,
        explain_map,
        explain_photo,
        explain_words,
        load_backbone,
        open_corpus,
        open_run,
        pretrain,
        report,
        sweep,
        train_language_model,
    )
    from wordsight.corpus import Corpus
    from wordsight.errors import InputError
    from wordsight.evaluation import Result
    from wordsight.training.pretrain_settings import PretrainSettings
    from wordsight.training.run import Run
    from wordsight.vision.backbones import Backbone

__all__ = [
    "READERS",
    "Backbone",
    "BuildSettings",
    "ConceptSet",
    "Corpus",
    "InputError",
    "PretrainSettings",
    "Result",
    "Run",
    "build_concepts",
    "build_corpus",
    "caption",
    "compare",
    "coverage",
    "demo",
    "evaluate",
    "explain_map",
    "explain_photo",
    "explain_words",
    "load_backbone",
    "open_corpus",
    "open_run",
    "pretrain",
    "report",
    "sweep",
    "train_language_model",
]

_ELSEWHERE = {
    "Backbone": "vision.backbones",
    "Corpus": "corpus",
    "InputError": "errors",
    "PretrainSettings": "training.pretrain_settings",
    "Result": "evaluation",
    "Run": "training.run",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `import wordsight` and `wordsight --help` need not wait for torch."""
    if name not in __all__:
        raise AttributeError(f"module 'wordsight' has no attribute {name!r}")
    return getattr(importlib.import_module(f"wordsight.{_ELSEWHERE.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    """The verbs and what they return, so that they can be found before the first of them is used."""
    return sorted({*globals(), *__all__})
