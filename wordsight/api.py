"""The verbs as typed functions: what `import wordsight` offers, and all that the command line calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wordsight.concepts import CONCEPT_SETS, ConceptSet
from wordsight.corpus import READERS, BuildSettings, Corpus, Reader
from wordsight.corpus.build import build_corpus as _build_corpus
from wordsight.corpus.show import CorpusSummary, describe, rejects
from wordsight.errors import InputError, unknown
from wordsight.joining import captioned_split, subject_of, training_data
from wordsight.recipes import read_values, recipe_file, recipe_names
from wordsight.settings import from_mapping

# What computes with torch is imported by the verb that needs it: a look into a corpus should not wait for it.
if TYPE_CHECKING:
    from wordsight.evaluation import Result
    from wordsight.training.run import Run
    from wordsight.training.settings import PretrainSettings
    from wordsight.vision.backbones import Backbone

__all__ = [
    "CONCEPT_SETS",
    "READERS",
    "BuildSettings",
    "ConceptSet",
    "CorpusSummary",
    "build_concepts",
    "build_corpus",
    "concept_counts",
    "describe",
    "evaluate",
    "explain_photo",
    "load_backbone",
    "open_corpus",
    "open_run",
    "pretrain",
    "recipe_names",
    "recipe_settings",
    "rejects",
    "report",
    "training_data",
]


def build_corpus(
    reader: Reader, *, out: Path | str, settings: BuildSettings = BuildSettings(), overwrite: bool = False
) -> Corpus:
    """Read captioned or labelled images, check them, and pack them into a corpus folder.

    Args:
        reader: Where they come from: one of `READERS` with its arguments.
        out: The folder to make.
        settings: Sizes, rules and limits.
        overwrite: Whether a corpus that is there already is replaced.

    Raises:
        InputError: When ``out`` exists, the source can't be read, too many examples are bad, or the disk is full.
    """
    return _build_corpus(reader, Path(out), settings, overwrite)


def open_corpus(corpus: Corpus | Path | str) -> Corpus:
    """A corpus by its folder.

    Raises:
        InputError: When the folder holds no corpus.
    """
    return corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)


def open_run(run: Run | Path | str) -> Run:
    """A run by its folder.

    Raises:
        InputError: When the folder holds no run.
    """
    from wordsight.training.run import Run

    return run if isinstance(run, Run) else Run.open(run)


def build_concepts(
    kind: str,
    settings: Mapping[str, Any] | Any | None = None,
    *,
    corpus: Corpus | Path | str,
    out: Path | str,
    split: str | None = None,
    overwrite: bool = False,
) -> ConceptSet:
    """Turn the captions of a corpus into a concept set.

    Args:
        kind: One of `CONCEPT_SETS`.
        settings: Its settings, as its dataclass or by name; what is not given has its default.
        corpus: The corpus, or its folder.
        out: The folder to make.
        split: The split that it is learned from; ``train`` where there are splits.
        overwrite: Whether a concept set that is there already is replaced.

    Raises:
        InputError: When the kind or a setting is unknown, ``out`` exists, or the captions hold too few concepts.
    """
    if kind not in CONCEPT_SETS:
        raise unknown("concept set", kind, CONCEPT_SETS)
    made = CONCEPT_SETS[kind]
    corpus = open_corpus(corpus)
    if settings is None or isinstance(settings, Mapping):
        settings = from_mapping(made.settings, settings or {}, kind)
    concepts = made.build(corpus, settings, split or corpus.default_split("train"))
    concepts.save(Path(out), overwrite=overwrite)
    return ConceptSet.open(out)


def concept_counts(concepts: ConceptSet) -> list[tuple[str, int]]:
    """The concepts with the number of examples that have each, the most frequent first."""
    counts = concepts.matrix.getnnz(axis=0).tolist()
    return sorted(zip(concepts.names, counts, strict=True), key=lambda pair: (-pair[1], pair[0]))


def pretrain(
    recipe: PretrainSettings | Path | str,
    *,
    corpus: Corpus | Path | str,
    out: Path | str,
    split: str | None = None,
    resume: bool = False,
    **changes: Any,
) -> Run:
    """Train a backbone on a corpus.

    Args:
        recipe: A recipe's name, a YAML file of settings, or settings.
        corpus: The corpus, or its folder.
        out: The run folder to make.
        split: The split to train on; ``train`` where there are splits, else all.
        resume: Go on from the checkpoint in ``out``, to the same numbers as if it had never stopped.
        changes: Settings that go before the recipe's, by name (``epochs=5``).

    Returns:
        The finished run.

    Raises:
        InputError: When a name is unknown, ``out`` exists, or the corpus holds nothing to learn from.
        KeyboardInterrupt: When the person stopped it; a checkpoint is written first.
    """
    from wordsight.training.pretrain import train
    from wordsight.training.run import claim

    settings, out = recipe_settings(recipe, **changes), Path(out)
    claim(out, resume=resume)
    check_names(settings)
    return train(settings, training_data(settings, open_corpus(corpus), split), out, resume=resume)


def check_names(settings: PretrainSettings) -> None:
    """Fail at the door: what a recipe names must exist before minutes are spent on its concepts and features.

    Raises:
        InputError: When the objective, one of its settings or the backbone is unknown.
    """
    from wordsight.objectives import objective_settings
    from wordsight.training.run import new_backbone

    objective_settings(settings.objective, settings.objective_settings)
    new_backbone(settings, pretrained=False)


def recipe_settings(recipe: PretrainSettings | Path | str, **changes: Any) -> PretrainSettings:
    """The settings of a recipe.

    Args:
        recipe: A recipe's name, a YAML file of settings, or settings.
        changes: Settings that go before the recipe's, by name; of nested ones, those given alone are changed.
    """
    from wordsight.training.settings import PretrainSettings

    if isinstance(recipe, PretrainSettings):
        return from_mapping(PretrainSettings, _merged(asdict(recipe), changes), "settings")
    file = recipe_file(recipe)
    return from_mapping(PretrainSettings, _merged(read_values(file), changes), str(file))


def evaluate(
    run: Run | Path | str,
    *,
    task: str | None = None,
    corpus: Corpus | Path | str | None = None,
    split: str | None = None,
    protocols: Sequence[str] = (),
    device: Literal["auto", "cpu", "cuda"] = "auto",
    image: str | None = None,
    label: str | None = None,
    images: Path | str | None = None,
) -> list[Result]:
    """Measure how good a run is, and write each result into its ``results/<task>/<protocol>.json``.

    Args:
        run: The run, or its folder.
        task: Labelled images for probes of the backbone: ``folder:DIR``, ``voc:DIR``, ``table:FILE`` or
            ``corpus:FOLDER``.
        corpus: Captioned images for what is asked of the heads: masked words, pointing.
        split: The split of the corpus; ``test`` where there are splits, else all.
        protocols: Names of protocols; by default ``logistic`` for a task and ``masked-words`` for a corpus.
        device: Where to compute.
        image: Of a table, the column of image files.
        label: Of a table, the column of labels.
        images: Of a table, the folder that its image files are relative to.

    Raises:
        InputError: When neither or both of task and corpus are given, a name is unknown, or a protocol asks otherwise.
    """
    from wordsight.evaluation import CaptionedSplit, Question, Task, check_protocols, open_task
    from wordsight.evaluation import evaluate as measure

    run = open_run(run)
    if (task is None) == (corpus is None):
        raise InputError(
            "give either a task (labelled images) or a corpus (captioned images)",
            where="wordsight evaluate",
            expected="for example --task folder:imagenette, or --corpus corpora/flickr8k --protocol masked-words",
        )
    protocols = list(protocols) or ["logistic" if task is not None else "masked-words"]
    check_protocols(protocols, CaptionedSplit if task is None else Task)
    subject = subject_of(run, device, heads=task is None)
    question: Question
    if task is None:
        question = captioned_split(run, subject, open_corpus(corpus or run.info.corpus), split)
    else:
        question = open_task(task, image=image, label=label, images=images)
    return measure(subject, question, protocols)


def explain_photo(run: Run | Path | str, photo: Path | str, caption: str, *, out: Path | str | None = None) -> Path:
    """Draw where a run looks in a photo for each word of a caption.

    Args:
        run: A run of an ICMLM objective, or its folder.
        photo: The photo's file.
        caption: A sentence about it.
        out: The picture to write; by default ``attention/<photo>.png`` in the run folder.

    Returns:
        The picture's file.

    Raises:
        InputError: When the run has no attention, the photo can't be read, or no word can be hidden.
    """
    from wordsight.explain.photo import explain_photo as draw

    run, photo = open_run(run), Path(photo)
    return draw(run, photo, caption, Path(out or run.path / "attention" / f"{photo.stem}.png"))


def report(run: Run | Path | str, *, out: Path | str | None = None) -> Path:
    """Write what went into a run and what came out as one HTML file that opens anywhere.

    Args:
        run: The run, or its folder.
        out: The file to write; ``report.html`` in the run folder by default.

    Returns:
        The file.
    """
    from wordsight.explain.report import write_report

    return write_report(open_run(run), out=None if out is None else Path(out))


def load_backbone(run: Run | Path | str, weights: Literal["trained", "random"] = "trained") -> Backbone:
    """The backbone of a run: images in, a grid of features out.

    Args:
        run: The run, or its folder.
        weights: ``trained``, or ``random`` for the same network before training.
    """
    return open_run(run).backbone(weights)


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with changes; a mapping within is changed key by key."""
    merged = dict(values)
    for name, change in changes.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(change, Mapping)
        merged[name] = _merged(before, change) if both else change  # type: ignore[arg-type]
    return merged
