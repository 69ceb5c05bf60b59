"""The verb `evaluate`: how good a backbone is, whoever trained it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wordsight.api.captioned_split import corpus_split
from wordsight.api.corpus import open_corpus
from wordsight.api.parallel_protocols import processes_for, side_by_side
from wordsight.api.pretrain import open_run
from wordsight.api.run_model import evaluated_run
from wordsight.corpus import Corpus
from wordsight.device import chosen_device
from wordsight.errors import InputError, setting, settled
from wordsight.ranges import SideOrNetworks, check_argument
from wordsight.vision.network_spec import is_network

if TYPE_CHECKING:
    from torch import nn

    from wordsight.evaluation import EvalData, EvalProtocol, EvaluatedModel, Result
    from wordsight.training.run import Run
    from wordsight.vision.preprocessing import Framing, Pixels

# Where results of other networks than runs go by default.
EVALUATED = Path("evaluated")


def evaluate(
    subject: Run | Path | str | nn.Module,
    *,
    task: str | Sequence[str] | None = None,
    corpus: Corpus | Path | str | None = None,
    split: str | Sequence[str] | None = None,
    protocol: str | Sequence[str] = (),
    protocols: str | Sequence[str] = (),
    device: Literal["auto", "cpu", "cuda"] = "auto",
    image_size: int = 0,
    framing: Framing | None = None,
    pixels: Pixels = "auto",
    out: Path | str | None = None,
    again: bool = False,
    jobs: int = 0,
    **flags: str | Path | bool | None,
) -> list[Result]:
    """Measure how good a backbone is, and write each result into ``results/<task>/<protocol>.json``.

    What was measured before, on the same weights and data with the same settings and versions, is not measured again.

    Args:
        subject: A run, or its folder; a network of timm or torchvision: ``timm:resnet18`` (random weights),
            ``timm:resnet18@pretrained``, ``torchvision:vgg16@weights.pth``; or a module of one's own, normalised images
            ``[B, 3, H, W]`` to a grid ``[B, C, H', W']`` or to vectors ``[B, C]``.
        task: Labelled images for probes of the backbone, one or several: ``folder:DIR``, ``voc:DIR``, ``table:FILE``,
            ``corpus:FOLDER``, ...
        corpus: Captioned images for what is asked of the heads: masked words, pointing, tags, retrieval.
        split: The split of the corpus, or several, each with results of its own; ``test`` where there are splits, else
            all.
        protocol: Name of a protocol, or your own YAML file, or several; by default ``logistic`` for a task, and for a
            corpus the one that the objective answers: ``masked-words``, ``retrieval``, ``tags``.
        protocols: The same: another name of ``protocol``.
        device: Where to compute.
        image_size: Side of the view in pixels, where the protocol pins none; 0 for what the run was trained with, or
            224 for other networks.
        framing: How an image that is not square becomes one: ``crop``, its centre square; ``squash``, all of it scaled
            to a square; ``pad``, all of it with borders. ``crop`` by default, or as a module's ``preprocessing`` says.
        pixels: Mean and spread that a named network's images are normalised by: ``imagenet``; ``published``, those of
            its published weights; ``auto`` for the latter with ``@pretrained``, for those that are written with a file
            of weights, else ImageNet's. A run and a module have their own.
        out: Folder of the results; by default ``results`` in the run, and ``evaluated/NAME`` for other networks.
        again: Measure also what was measured before.
        jobs: How many tasks are measured at a time, each in a process of its own; 0 for one for every four cores and
            4 GB of free memory. A module is measured here, on one task after another.
        flags: What a kind of task needs to be told besides: of tables ``image``, ``label``, ``images``.

    Raises:
        InputError: When neither or both of task and corpus are given, or both ``protocol`` and ``protocols``; when a
            name is unknown, or the one thing that is asked can't be measured.
        SomeFailedError: When several things are asked and some can't be measured: after all that can are, with their
            results in ``done``.

    Examples:
        >>> import wordsight
        >>> (result,) = wordsight.evaluate("runs/a", task="folder:classes", protocol="knn")
        >>> result.metric, result.baselines["chance"]
        ('top-1 accuracy', 50.0)
        >>> results = wordsight.evaluate("runs/a", corpus="corpora/photos", protocol=["tags", "masked-words"])
        >>> sorted({each.protocol for each in results})
        ['masked-words', 'tags']
    """
    from wordsight.evaluation import METHODS, CaptionedSplit, Task, check_expects, opened_protocols, task_names
    from wordsight.evaluation import evaluate as measure

    if (task is None) == (corpus is None):
        raise InputError(
            "give either a task (labelled images) or a corpus (captioned images)",
            where="wordsight evaluate",
            expected=f"for example {setting('task', 'folder:imagenette')}, or {setting('corpus', 'corpora/flickr8k')}",
        )
    named = [task] if isinstance(task, str) else list(dict.fromkeys(task or ()))
    wanted = _one_of_two(protocol, protocols)
    spec = _spec(subject)
    processes = processes_for(len(named), jobs, str(chosen_device(device))) if spec is not None else 1
    _check_flags(task is not None, image_size, split, flags)
    _check_names(task_names(named, **flags))
    if spec is not None and processes > 1:
        shared: dict[str, Any] = {"subject": spec, "protocols": wanted, "device": device, "out": out, **flags}
        shared |= {"image_size": image_size, "framing": framing, "pixels": pixels, "again": again, "jobs": 1}
        return side_by_side(evaluate, [{**shared, "task": one} for one in named], processes)
    opened = None if corpus is None else open_corpus(corpus)
    run = _opened_run(subject, opened)
    asked = opened_protocols(wanted or [_usual(run, task is not None)])
    # What can be measured is, whatever can't.
    subjects, questions = _Once(), _Once()
    view = _View(image_size, framing, pixels)
    results: list[Result] = []
    failures: list[InputError] = []
    for place in named if opened is None else _splits(opened, split):
        for one in asked:
            method = METHODS[one.method]
            try:
                check_expects(one, CaptionedSplit if task is None else Task)
                make = partial(_subject, run, subject, device, view, heads=method.heads, out=out)
                measured = subjects.get(method.heads, make)
                data = questions.get(
                    (place, method.expects), partial(_question, run, measured, place, opened, one, flags)
                )
                results += measure(measured, data, [one], again=again)
            except InputError as error:
                failures.append(error)
    return settled(results, failures)


def _one_of_two(protocol: str | Sequence[str], protocols: str | Sequence[str]) -> list[str]:
    """The protocols that were asked for, under either name of the argument."""
    if protocol and protocols:
        raise InputError(
            "both protocol and protocols are given", where="evaluate", mend="give one of them: they mean the same"
        )
    asked = protocol or protocols
    # A file of one's own may come as a path.
    return [asked] if isinstance(asked, str | Path) else list(asked)


def _check_flags(
    labelled: bool, image_size: int, split: str | Sequence[str] | None, flags: Mapping[str, str | Path | bool | None]
) -> None:
    """A flag that belongs to the other kind of question would be passed over."""
    check_argument("image_size", image_size, SideOrNetworks)
    if labelled and split:
        raise InputError(
            "a task has parts of its own", setting="split", mend=f"leave it out: it belongs to {setting('corpus')}"
        )
    said = [name for name, value in flags.items() if value not in (None, False)]
    if not labelled and said:
        raise InputError(
            "a corpus is asked nothing of the kind",
            setting=said[0],
            mend=f"leave it out: it belongs to {setting('task')}",
        )


def _check_names(names: Mapping[str, str]) -> None:
    """Results are filed by a task's name: two tasks of one name would write over each other's."""
    of: dict[str, str] = {}
    for spec, name in names.items():
        if name in of:
            raise InputError(
                f"{of[name]} and {spec} are both called {name!r}",
                setting="task",
                mend=f"measure one of them into another folder ({setting('out')}), or rename its folder or file",
            )
        of[name] = spec


def results_folder(subject: Any, out: Path | str | None = None) -> Path:
    """Where results of a subject are written: ``out`` where that is given.

    Args:
        subject: As :func:`evaluate` takes it.
        out: Folder of the results.
    """
    if out is not None:
        return Path(out)
    if _is_run(subject):
        return Path(getattr(subject, "path", subject)) / "results"
    from wordsight.evaluation.results.result import folder_name

    name = subject if isinstance(subject, str) else type(subject).__name__
    return EVALUATED / folder_name(name)


def _spec(subject: Any) -> str | None:
    """What another process can open the subject by; None where nothing but this one has it."""
    found = subject if is_network(subject) else getattr(subject, "path", subject)
    return str(found) if isinstance(found, str | Path) else None


def _is_run(subject: Any) -> bool:
    from torch import nn

    return not is_network(subject) and not isinstance(subject, nn.Module)


def _opened_run(subject: Any, corpus: Corpus | None) -> Run | None:
    """The run that is measured, with its own corpus where it is asked about that."""
    if not _is_run(subject):
        return None
    run = open_run(subject)
    return run.with_corpus(corpus) if corpus is not None and run.learned_from(corpus) else run


def _usual(run: Run | None, labelled: bool) -> str:
    if labelled:
        return "logistic"
    from wordsight.objectives import objective_kind, objective_settings

    if run is None:
        return "tags"
    name, values = run.settings.objective, run.settings.objective_settings
    return objective_kind(name).build.default_protocol(objective_settings(name, values))


class _View(NamedTuple):
    """How a person asks for images to be shown."""

    image_size: int
    framing: Framing | None
    pixels: Pixels


def _subject(
    run: Run | None,
    given: Any,
    device: Literal["auto", "cpu", "cuda"],
    view: _View,
    *,
    heads: bool,
    out: Path | str | None,
) -> EvaluatedModel:
    if view.pixels != "auto" and not is_network(given):
        raise InputError(
            f"pixels is {view.pixels}",
            setting="pixels",
            expected="auto: a run and a module have a mean and spread of their own",
        )
    if run is not None:
        found = evaluated_run(run, device, heads=heads, image_size=view.image_size, framing=view.framing or "crop")
        return found if out is None else replace(found, results_folder=Path(out))
    if heads:
        raise InputError(
            "these protocols ask the heads of a run", where=str(given)[:100], mend="give a run's folder, or a probe"
        )
    folder = results_folder(given, out)
    if isinstance(given, str):
        from wordsight.evaluation.models.networks import evaluated_network

        return evaluated_network(
            given,
            device,
            image_size=view.image_size,
            out=folder,
            framing=view.framing or "crop",
            pixels=view.pixels,
        )
    from wordsight.evaluation.models.modules import evaluated_module

    return evaluated_module(given, device, image_size=view.image_size, out=folder, framing=view.framing)


class _Once:
    """What several protocols need, made once; also the error where it can't be made."""

    def __init__(self) -> None:
        self._made: dict[Any, Any] = {}

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """What was made under a key.

        Raises:
            InputError: When making it raised that, now or before.
        """
        if key not in self._made:
            try:
                self._made[key] = make()
            except InputError as error:
                self._made[key] = error
        if isinstance(self._made[key], InputError):
            raise self._made[key]
        return self._made[key]


def _question(
    run: Run | None,
    subject: EvaluatedModel,
    place: str,
    corpus: Corpus | None,
    protocol: EvalProtocol,
    flags: dict[str, Any],
) -> EvalData:
    """A task, or a split of a corpus as a protocol asks about it."""
    from wordsight.evaluation import open_task

    if corpus is None:
        return open_task(place, **flags)
    assert run is not None
    return corpus_split(run, subject, corpus, place, [protocol])


def _splits(corpus: Corpus, asked: str | Sequence[str] | None) -> list[str]:
    """The splits that were asked for, each known to be there before anything is computed; ``test`` by default."""
    named = [asked] if isinstance(asked, str) else list(dict.fromkeys(asked or ()))
    for name in named:
        corpus.indices(name)
    return named or [corpus.default_split("test")]
