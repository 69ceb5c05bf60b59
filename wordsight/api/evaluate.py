"""The verb `evaluate`: how good a backbone is, whoever trained it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, Unpack

from wordsight.api.captioned_split import corpus_split
from wordsight.api.corpus import open_corpus
from wordsight.api.parallel_protocols import processes_for, side_by_side
from wordsight.api.pretrain import open_run
from wordsight.api.run_model import evaluated_run, usual_protocol
from wordsight.corpus import Corpus
from wordsight.device import chosen_device
from wordsight.errors import InputError, setting, settled
from wordsight.ranges import ProcessesOrAuto, SideOrNetworks, check_argument
from wordsight.vision.network_spec import is_network
from wordsight.vision.preprocessing import Framing, Pixels

if TYPE_CHECKING:
    from torch import nn

    from wordsight.evaluation import EvalData, EvalProtocol, EvaluatedModel, Result
    from wordsight.training.run import Run

# Where results of other networks than runs go by default.
EVALUATED = Path("evaluated")


class EvaluateOptions(TypedDict, total=False):
    """How images are shown to the network, and what a kind of task needs to be told besides.

    Args:
        image_size: Side of the view in pixels, where the protocol pins none; by default (or 0) what the run was trained
            with, or 224 for other networks.
        framing: How an image that is not square becomes one: ``crop``, its centre square; ``squash``, all of it scaled
            to a square; ``pad``, all of it with borders. By default crop, or what a module's own preprocessing says.
        pixels: Mean and spread that the images of a network by name are normalised by: ``imagenet``; ``published``,
            those that its published weights were trained with; by default (or auto) the latter with ``@pretrained``,
            those that are written with a file of weights, else ImageNet's.
        image: Of a table, the column of image files; guessed from the column name.
        label: Of a table, the column of labels; guessed from the column name.
        images: Of a table or of COCO's labels, the folder that the image files are relative to; by default that of
            the table.
        separator: Of a table, what stands between several labels of an image.
        test: Of COCO's labels, the file of the test images.
        names: Of class folders, a file of the classes' names (CSV, JSON or TXT): of n01440764 it makes tench.
        root: Of torchvision's datasets, the folder that they lie in.
        download: Fetch a dataset of torchvision that is not there.
    """

    image_size: SideOrNetworks
    framing: Framing | None
    pixels: Pixels
    image: str | None
    label: str | None
    images: Path | str | None
    separator: str | None
    test: Path | str | None
    names: Path | str | None
    root: Path | str | None
    download: bool | None


def evaluate(
    run: Run | Path | str | nn.Module,
    *,
    task: str | Sequence[str] | None = None,
    corpus: Corpus | Path | str | None = None,
    split: str | Sequence[str] | None = None,
    protocol: str | Sequence[str] = (),
    protocols: str | Sequence[str] = (),
    out: Path | str | None = None,
    again: bool = False,
    jobs: ProcessesOrAuto = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    **options: Unpack[EvaluateOptions],
) -> list[Result]:
    """Measure how good a backbone is, and write each result into ``results/<task>/<protocol>.json``.

    Args:
        run: The run folder; or a network: timm:NAME or torchvision:NAME with random weights, ``NAME@pretrained``
            with published ones, ``NAME@FILE`` with those of a file, ``NAME@FILE#student`` with one of several networks
            in it. In Python also a module: normalised images ``[B, 3, H, W]`` to ``[B, C, H', W']`` or ``[B, C]``.
        task: Labelled images for a probe of the backbone: ``folder:DIR`` (train/ and val/ or test/ with class folders
            in them), ``voc:DIR``, ``table:FILE``, ``multilabel:FILE``, ``coco-labels:FILE``, ``torchvision:NAME``,
            ``corpus:FOLDER``.
        corpus: The folder of a corpus of captioned images, for what is asked of the heads.
        split: Split of that corpus, each with results of its own; by default test where there are splits, else all.
        protocol: How it is measured: a name (logistic, ridge, knn, few-shot, zero-shot, ... for a task; masked-words,
            pointing, tags, retrieval, caption-choice, captioning for a corpus), or your own YAML file. By default
            logistic for a task, and for a corpus the one that the objective answers: masked-words, retrieval, tags,
            captioning.
        protocols: Another name of ``protocol``.
        out: Folder of the results; by default results in the run folder, and evaluated/NAME for other networks.
        again: Measure also what was measured before on the same weights and data.
        jobs: How many tasks are measured at a time; 0 for one for every four cores and 4 GB of free memory.
        device: Where to compute.
        options: See :class:`EvaluateOptions`.

    Raises:
        InputError: When a name is unknown, or the one thing that is asked can't be measured.
        SomeFailedError: When some of several things can't be measured, once all others are: these are its ``done``.

    Examples:
        >>> import wordsight
        >>> (result,) = wordsight.evaluate("runs/a", task="folder:classes", protocol="knn")
        >>> result.metric, result.baselines["chance"]
        ('top-1 accuracy', 50.0)
    """
    asked = _Asked(run, _several(task), corpus, _several(split), _one_of_two(protocol, protocols), out, again, device)
    asked.options |= options
    return asked.results(jobs)


class _View(NamedTuple):
    """How a person asks for images to be shown."""

    image_size: int = 0
    framing: Framing | None = None
    pixels: Pixels = "auto"


@dataclass
class _Asked:
    """What is asked of whom, and how."""

    run: Any
    tasks: list[str]
    corpus: Corpus | Path | str | None
    splits: list[str]
    protocols: list[str]
    out: Path | str | None
    again: bool
    device: Literal["auto", "cpu", "cuda"]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def flags(self) -> dict[str, Any]:
        """What a kind of task is told besides."""
        return {name: value for name, value in self.options.items() if name not in _View._fields}

    @property
    def view(self) -> _View:
        """How images are to be shown."""
        return _View(*(self.options.get(name) or default for name, default in _View._field_defaults.items()))

    def results(self, jobs: int) -> list[Result]:
        """Measure it, several tasks at a time where there is room."""
        from wordsight.evaluation import task_names

        spec = _spec(self.run)
        processes = processes_for(len(self.tasks), jobs, str(chosen_device(self.device))) if spec is not None else 1
        self._check()
        _check_names(task_names(self.tasks, **self.flags))
        if spec is None or processes == 1:
            return self._measured()
        shared = {"run": spec, "protocols": self.protocols, "device": self.device, "out": self.out, "jobs": 1}
        shared |= {"again": self.again, **self.options}
        return side_by_side(evaluate, [{**shared, "task": one} for one in self.tasks], processes)

    def _check(self) -> None:
        """What belongs to the other kind of question would be passed over."""
        if bool(self.tasks) == (self.corpus is not None):
            given = f"{setting('task', 'folder:imagenette')}, or {setting('corpus', 'corpora/flickr8k')}"
            what = "give either a task (labelled images) or a corpus (captioned images)"
            raise InputError(what, where="wordsight evaluate", expected=f"for example {given}")
        check_argument("image_size", self.view.image_size, SideOrNetworks)
        if self.tasks and self.splits:
            mend = f"leave it out: it belongs to {setting('corpus')}"
            raise InputError("a task has parts of its own", setting="split", mend=mend)
        said = [name for name, value in self.flags.items() if value not in (None, False)]
        if not self.tasks and said:
            mend = f"leave it out: it belongs to {setting('task')}"
            raise InputError("a corpus is asked nothing of the kind", setting=said[0], mend=mend)

    def _measured(self) -> list[Result]:
        """What can be measured is, whatever can't."""
        from wordsight.evaluation import METHODS, CaptionedSplit, Task, check_expects, opened_protocols
        from wordsight.evaluation import evaluate as measure

        corpus = None if self.corpus is None else open_corpus(self.corpus)
        run = _opened_run(self.run, corpus)
        asked = opened_protocols(self.protocols or [_usual(run, bool(self.tasks))])
        models, data = _Once(), _Once()
        results: list[Result] = []
        failures: list[InputError] = []
        for place in self.tasks if corpus is None else _splits(corpus, self.splits):
            for one in asked:
                method = METHODS[one.method]
                try:
                    check_expects(one, Task if corpus is None else CaptionedSplit)
                    make = partial(_model, run, self.run, self.device, self.view, heads=method.heads, out=self.out)
                    model = models.get(method.heads, make)
                    opened = partial(_data, run, model, place, corpus, one, self.flags)
                    found = data.get((place, method.expects, method.hides), opened)
                    results += measure(model, found, [one], again=self.again)
                except InputError as error:
                    failures.append(error)
        return settled(results, failures)


def _several(given: str | Sequence[str] | None) -> list[str]:
    """One or several names, each once."""
    return [given] if isinstance(given, str) else list(dict.fromkeys(given or ()))


def _one_of_two(protocol: str | Sequence[str], protocols: str | Sequence[str]) -> list[str]:
    """The protocols that were asked for, under either name of the argument."""
    if protocol and protocols:
        raise InputError(
            "both protocol and protocols are given", where="evaluate", mend="give one of them: they mean the same"
        )
    asked = protocol or protocols
    # A file of one's own may come as a path.
    return [asked] if isinstance(asked, str | Path) else list(asked)


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


def results_folder(run: Any, out: Path | str | None = None) -> Path:
    """Where results of a run are written: ``out`` where that is given.

    Args:
        run: As :func:`evaluate` takes it.
        out: Folder of the results.
    """
    if out is not None:
        return Path(out)
    if _is_run(run):
        return Path(getattr(run, "path", run)) / "results"
    from wordsight.evaluation.results.result import folder_name

    name = run if isinstance(run, str) else type(run).__name__
    return EVALUATED / folder_name(name)


def _spec(run: Any) -> str | None:
    """What another process can open the run by; None where nothing but this one has it."""
    found = run if is_network(run) else getattr(run, "path", run)
    return str(found) if isinstance(found, str | Path) else None


def _is_run(run: Any) -> bool:
    from torch import nn

    return not is_network(run) and not isinstance(run, nn.Module)


def _opened_run(run: Any, corpus: Corpus | None) -> Run | None:
    """The run that is measured, with its own corpus where it is asked about that."""
    if not _is_run(run):
        return None
    opened = open_run(run)
    return opened.with_corpus(corpus) if corpus is not None and opened.learned_from(corpus) else opened


def _usual(run: Run | None, labelled: bool) -> str:
    if labelled:
        return "logistic"
    return (run and usual_protocol(run)) or "tags"


def _model(
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
            f"{setting('pixels')} is {view.pixels}",
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


def _data(
    run: Run | None,
    model: EvaluatedModel,
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
    return corpus_split(run, model, corpus, place, [protocol])


def _splits(corpus: Corpus, named: list[str]) -> list[str]:
    """The splits that were asked for, each known to be there before anything is computed; ``test`` by default."""
    for name in named:
        corpus.indices(name)
    return named or [corpus.default_split("test")]
