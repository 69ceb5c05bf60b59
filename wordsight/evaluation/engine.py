"""The engine: opens protocols, measures a model under them, files the results; what is known is not measured again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from wordsight.environment import installed_versions
from wordsight.errors import InputError, listed, setting
from wordsight.evaluation.features.cache import key_of
from wordsight.evaluation.methods import METHODS
from wordsight.evaluation.metrics.bootstrap import bootstrap_interval
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.models.weight_checks import check_weights
from wordsight.evaluation.pretrained_on import pretraining_overlap, with_overlap
from wordsight.evaluation.protocol import EvalData, EvalProtocol, protocol_names, read_protocol
from wordsight.evaluation.results.result import Result, result_file
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.caption_split import CorpusSplit
from wordsight.vision.inference import behaviour, weights_fingerprint


def open_protocol(spec: str) -> EvalProtocol:
    """A protocol by its name, or by your own YAML file.

    Raises:
        InputError: When there is no such protocol, or its file is wrong.
    """
    return read_protocol(spec, METHODS)


def evaluate(
    model: EvaluatedModel, data: EvalData, protocols: Sequence[str | EvalProtocol], *, again: bool = False
) -> list[Result]:
    """Measure a model on one task or split under some protocols, and write each result into its folder of results.

    Args:
        model: What is measured.
        data: A task (labelled images) or a split of a corpus, its captions masked where a protocol expects that.
        protocols: Protocols, or their names.
        again: Measure also what was measured before on the same weights and data with the same settings and versions.

    Raises:
        InputError: When a protocol is unknown or expects another kind of data, or can't be measured on this one.
    """
    results = []
    _refuse_other_task(model, data)
    does = behaviour(model.backbone, model.image_size)
    seen = pretraining_overlap(model, data)
    for protocol in protocols_for(protocols, type(data)):
        method = METHODS[protocol.method]
        network = model.objective if method.heads and model.objective is not None else model.backbone
        check_weights(network, model.name)
        key = key_of(
            weights_fingerprint(network),
            str(network),
            does,
            model.settings if method.heads else "",
            data.fingerprint,
            model.image_size,
            model.device.type,
            protocol.method,
            asdict(protocol.settings),
            [_content(value) for value in asdict(protocol.settings).values()],
            installed_versions(),
            # Equal weights may come from two files; results say which, and what of it was missing.
            *([model.backbone.origin, model.backbone.warnings] if model.backbone.origin else []),
        )
        fresh = again or method.anew or (method.heads and not model.settings)
        known = [] if fresh else _load_known(model, data, protocol, key)
        for found in known or _measure(model, data, protocol, key):
            # What is known of the run's own images may have changed since it was measured.
            result = with_overlap(found, seen)
            if result != found:
                replace(result, outcomes=None).write(model.results_folder)
            results.append(result)
    return results


def protocols_for(protocols: Sequence[str | EvalProtocol], kind: type[Task] | type[CorpusSplit]) -> list[EvalProtocol]:
    """Open protocols; refuse those that don't exist or expect another kind of data, before anything is computed.

    Args:
        protocols: Protocols, or their names.
        kind: ``Task`` for labelled images, ``CaptionedSplit`` for captioned ones, ``CorpusSplit`` for these unmasked.

    Raises:
        InputError: In these cases, or when there is none.
    """
    opened = opened_protocols(protocols)
    for protocol in opened:
        check_expects(protocol, kind)
    return opened


def opened_protocols(protocols: Sequence[str | EvalProtocol]) -> list[EvalProtocol]:
    """Open protocols, whatever data they expect.

    Args:
        protocols: Protocols, or their names.

    Raises:
        InputError: When one doesn't exist, two have one name, or there is none.
    """
    if not protocols:
        expected = f"one of: {listed(protocol_names())}"
        raise InputError("no protocol was named", setting="protocol", expected=expected)
    named: dict[str, EvalProtocol] = {}
    for each in protocols:
        protocol = each if isinstance(each, EvalProtocol) else open_protocol(each)
        if named.setdefault(protocol.name, protocol) != protocol:
            raise InputError(
                f"two protocols are called {protocol.name!r}",
                setting="protocol",
                mend="results are filed by that name: give one of the files another",
            )
    return list(named.values())


def check_expects(protocol: EvalProtocol, kind: type[Task] | type[CorpusSplit]) -> None:
    """Refuse a protocol that expects another kind of data.

    Args:
        protocol: The protocol.
        kind: What there is, as :func:`protocols_for` takes it.

    Raises:
        InputError: When it does.
    """
    expected = METHODS[protocol.method].expects
    if not issubclass(kind, expected):
        wanted = (
            f"labelled images ({setting('task')})" if expected is Task else f"captioned images ({setting('corpus')})"
        )
        raise InputError(f"{protocol.name} expects {wanted}", setting="protocol")


def _content(setting: Any) -> str:
    """Hash of the file that a setting names; "" where it names none."""
    if not isinstance(setting, str) or not setting or not Path(setting).is_file():
        return ""
    return hashlib.sha256(Path(setting).read_bytes()).hexdigest()


def _load_known(model: EvaluatedModel, data: EvalData, protocol: EvalProtocol, key: str) -> list[Result]:
    """All results of the same measurement, where they are there already."""
    found = [result for _, result in _stored_results(model, data, protocol) if result.key == key]
    return sorted(found, key=lambda result: result.place) if found and len(found) == found[0].parts else []


def _stored_results(model: EvaluatedModel, data: EvalData, protocol: EvalProtocol) -> Iterator[tuple[Path, Result]]:
    """The results of a protocol that lie in the folder of a task or split."""
    for file in sorted((model.results_folder / data.name).glob(f"{protocol.name}*.json")):
        try:
            result = Result.read(file)
        except InputError:
            # Another program's file, or an older version's.
            continue
        if result.protocol == protocol.name:
            yield file, result


def _measure(model: EvaluatedModel, data: EvalData, protocol: EvalProtocol, key: str) -> list[Result]:
    started = time.perf_counter()
    found = METHODS[protocol.method].measure(model, data, protocol)
    seconds = round(time.perf_counter() - started, 3)
    several = found if isinstance(found, list) else [found]
    results = []
    # A result on other data of the same name is replaced, with a warning.
    older = {result.data for _, result in _stored_results(model, data, protocol)}
    for place, each in enumerate(several):
        result = replace(each, model=model.name, seconds=seconds, key=key, parts=len(several), place=place)
        result = _with_origin(result, model)
        if result.interval is None and result.outcomes is not None:
            result = replace(result, interval=bootstrap_interval(result.outcomes))
        if older and result.data not in older:
            replaced = f"replaces a result on other images, labels or captions of the name {data.name!r}"
            result = replace(result, warnings=[*result.warnings, replaced])
        _refuse_other_protocol(result, model.results_folder)
        result.write(model.results_folder)
        results.append(result)
    _remove_stale(model, data, protocol, key)
    return results


def _with_origin(result: Result, model: EvaluatedModel) -> Result:
    """A result with how images were shown, where a file's weights lay, and what a reader should know of these."""
    backbone = model.backbone
    settings = result.settings | {"framing": model.framing}
    if backbone.origin:
        settings["weights_from"] = backbone.origin
    if not backbone.preprocessing.usual:
        settings["pixels"] = {"mean": list(backbone.preprocessing.mean), "std": list(backbone.preprocessing.std)}
    return replace(result, settings=settings, warnings=[*backbone.warnings, *result.warnings])


def _refuse_other_task(model: EvaluatedModel, data: EvalData) -> None:
    """Results are filed by a task's name, which a folder elsewhere may have too.

    Raises:
        InputError: When results on other images, named otherwise, lie where this task's would.
    """
    if not isinstance(data, Task):
        return
    for file in sorted((model.results_folder / data.name).glob("*.json")):
        try:
            result = Result.read(file)
        except InputError:
            continue
        other = result.settings.get("source")
        if other is not None and result.data != data.fingerprint and _place(str(other)) != _place(data.spec):
            raise InputError(
                f"is a result of {other}, and {data.spec} is another task of the name {data.name!r}",
                where=file,
                mend=f"give another folder ({setting('out')}), rename the task's, or remove these results",
            )


def _place(spec: str) -> str:
    """What a person wrote for a task, without what can be written in two ways."""
    kind, colon, place = spec.partition(":")
    return f"{kind}:{Path(place).resolve()}" if colon else f"corpus:{Path(kind).resolve()}"


def _refuse_other_protocol(result: Result, folder: Path) -> None:
    """Parts of a protocol are filed as ``protocol-part``, which a person's own protocol may be called.

    Raises:
        InputError: When another protocol's result lies where this one would.
    """
    file = result_file(folder, result.task, result.protocol, result.part)
    try:
        other = Result.read(file).protocol
    except InputError:
        return
    if other != result.protocol:
        raise InputError(
            f"is a result of the protocol {other}",
            where=file,
            mend=f"give {result.protocol}, or that one, another name",
        )


def _remove_stale(model: EvaluatedModel, data: EvalData, protocol: EvalProtocol, key: str) -> None:
    """Parts that an earlier measurement by the same protocol had, and this one has not."""
    for file, result in list(_stored_results(model, data, protocol)):
        if result.key != key:
            file.unlink()
            file.with_suffix(".npz").unlink(missing_ok=True)
