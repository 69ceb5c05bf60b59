"""What a protocol is: a YAML file beside this one that names a method of measuring and pins all of its settings.

A protocol that a person copies and changes is another protocol, under the name of its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wordsight.errors import InputError, listed, unknown
from wordsight.evaluation.results.result import OLD_SETTINGS, Result
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.caption_split import CorpusSplit
from wordsight.settings import from_mapping, read_yaml

# What a protocol can be measured on.
EvalData = Task | CorpusSplit
FOLDER = Path(__file__).parent / "protocols"


@dataclass(frozen=True)
class Method:
    """A way to measure, its settings open.

    Args:
        expects: What it is measured on: labelled images (``Task``), examples of a corpus (``CorpusSplit``), or these
            with their captions masked (``CaptionedSplit``).
        settings: The dataclass of its settings.
        measure: ``measure(model, data, protocol)`` gives the results, all but their time: one, or several that
            differ in their ``part``.
        heads: Whether it evaluates the objective's heads, and not the backbone alone.
        hides: Whether captions come masked for objectives that predict masked words, and as they are for others.
        anew: Whether it is measured at every call, as it reads files that nothing else tells of.
    """

    expects: type[Task] | type[CorpusSplit]
    settings: type[Any]
    measure: Callable[[Any, Any, Any], Result | list[Result]]
    heads: bool = False
    hides: bool = False
    anew: bool = False


@dataclass(frozen=True)
class EvalProtocol:
    """A named, fully pinned way to evaluate.

    Args:
        name: What its results are filed under.
        method: Name of the method.
        settings: All settings of the method.
        says: What it is, in the words of the file's header.
    """

    name: str
    method: str
    settings: Any
    says: str = ""


def protocol_names() -> list[str]:
    """The protocols that come with wordsight."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def read_protocol(spec: Path | str, methods: Mapping[str, Method]) -> EvalProtocol:
    """Read a protocol.

    Args:
        spec: A name in :func:`protocol_names`, or your own YAML file, which is named after its file.
        methods: The methods that there are.

    Raises:
        InputError: When there is no such protocol or method, a setting is missing, unknown or of the wrong type, or the
            file has the name of a protocol that it is not.
    """
    file = _protocol_file(spec)
    content, says = _read(file)
    if file.parent != FOLDER and file.stem in protocol_names() and content != _read(FOLDER / file.name)[0]:
        raise InputError(
            f"{file.stem!r} is the name of a protocol that comes with wordsight, and this is another",
            where=file,
            mend="give the file a name of its own: its results are filed under it",
        )
    method = str(content.pop("method", ""))
    if method not in methods:
        raise unknown("method", method, methods, where=f"{file}: method")
    kind = methods[method].settings
    names = [field.name for field in fields(kind)]
    if missing := [name for name in names if name not in content]:
        odd = [name for name in content if name not in names]
        raise InputError(
            f"has no {listed(missing)}" + (f", and {listed(odd)} is no setting" if odd else ""),
            where=file,
            expected="a value for every setting of its method",
        )
    return EvalProtocol(file.stem, method, from_mapping(kind, content, str(file)), says)


def _protocol_file(spec: Path | str) -> Path:
    if str(spec) in protocol_names():
        return FOLDER / f"{spec}.yaml"
    file = Path(spec)
    if file.suffix in (".yaml", ".yml") or file.parent != Path():
        if not file.is_file():
            raise InputError("no such file", where=file, expected="a protocol's YAML file")
        if file.name.startswith("."):
            raise InputError("its name begins with a dot", where=file, mend="results are filed by it: give it another")
        return file
    raise unknown("protocol", str(spec), protocol_names(), setting="protocol")


def _read(file: Path) -> tuple[dict[str, Any], str]:
    """Keys under the names of today, values, and the comment that stands above them."""
    content, says = read_yaml(file, "method: probe")
    return {OLD_SETTINGS.get(key, key): value for key, value in content.items()}, says
