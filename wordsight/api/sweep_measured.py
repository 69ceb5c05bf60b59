"""What of a sweep is done: which runs are trained, and what of each is measured, as its folder says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.api.sweep_plan import Asked, SweepPlan, SweepRun, opened
from wordsight.atomic import write_json
from wordsight.corpus import Corpus
from wordsight.errors import InputError, setting

# What computes with torch is imported by the verb that needs it.
if TYPE_CHECKING:
    from wordsight.evaluation import EvalProtocol, Result
    from wordsight.training.run import Run

# In a run's folder: what it was asked, and where the answers lie.
_FILE = "sweep.json"


def trained(run: SweepRun, corpus: Corpus | None = None) -> Run | None:
    """The run, where it is finished; None where it has to be trained, or trained further.

    Args:
        run: The run.
        corpus: Its corpus, where that is to be compared too.

    Raises:
        InputError: When the folder holds a run with other settings, or of another corpus.
    """
    from wordsight.training.pretrain import changed_settings
    from wordsight.training.run import Run

    if not (run.folder / "run.json").is_file():
        return None
    found = Run.open(run.folder)
    changed = changed_settings(found, run.settings)
    if corpus is not None and not found.learned_from(corpus):
        changed.append(f"the corpus was {found.info.corpus_fingerprint} and is now {corpus.fingerprint}")
    if changed:
        raise InputError(
            f"was trained otherwise than it is asked for now: {'; '.join(changed)}",
            where=run.folder,
            mend=f"give another {setting('out')}, or remove this run",
        )
    return found if found.info.finished else None


def best_rate(plan: SweepPlan, row: str, corpus: str) -> float | None:
    """The learning rate that scored best at the first seed, by the mean over what the first protocol was asked on.

    Args:
        plan: The sweep.
        row: The row.
        corpus: The corpus.

    Returns:
        None for the recipe's own, and where none has a score.
    """
    rates = plan.rates(row, corpus)
    if len(rates) == 1:
        return rates[0]
    first = plan.settings.corpora[corpus].protocols[0]
    scores: dict[float | None, float] = {}
    for lr in rates:
        run = plan.run(row, corpus, lr, plan.seeds(corpus)[0])
        values = [
            results[0].value for each in run.asked if each.protocol == first and (results := results_of(run, each))
        ]
        if values:
            scores[lr] = sum(values) / len(values)
    return max(scores, key=scores.__getitem__) if scores else None


def run_of(plan: SweepPlan, row: str, corpus: str, lr: float | None, seed: int) -> SweepRun:
    """One of the runs, with the weights that it begins with where these are another row's.

    Args:
        plan: The sweep.
        row: The row.
        corpus: The corpus.
        lr: The learning rate; None for the recipe's own.
        seed: The seed.
    """
    if (before := plan.begins_with.get(row)) is None:
        return plan.run(row, corpus, lr, seed)
    first = run_of(plan, before, corpus, best_rate(plan, before, corpus), seed)
    return plan.run(row, corpus, lr, seed, (first.folder / "backbone.safetensors").absolute())


def unmeasured(run: SweepRun) -> list[Asked]:
    """What a run has not been asked yet."""
    protocols, noted = opened([each.protocol for each in run.asked]), _noted(run.folder)
    return [each for each in run.asked if not _answered(run, noted.get(_key(each)), protocols[each.protocol])]


def results_of(run: SweepRun, asked: Asked) -> list[Result]:
    """The results of what a run was asked; none where it was not yet, or can't answer."""
    from wordsight.evaluation import Result

    note = _noted(run.folder).get(_key(asked), {})
    if not _answered(run, note, opened([asked.protocol])[asked.protocol]):
        return []
    return [Result.read(run.folder / "results" / file) for file in note.get("results", [])]


def note_answer(run: SweepRun, asked: Asked, results: Sequence[Result]) -> None:
    """Keep where the answer lies, or that there is none.

    Args:
        run: The run.
        asked: What it was asked.
        results: Its results; none where its objective can't answer.
    """
    from wordsight.evaluation.results.result import result_file

    files = [str(result_file(Path(), one.task, one.protocol, one.part)) for one in results]
    protocol = opened([asked.protocol])[asked.protocol]
    note = {"protocol": _fingerprint(protocol), "results": files}
    write_json(run.folder / _FILE, {**_noted(run.folder), _key(asked): note})


def _answered(run: SweepRun, note: Any, protocol: EvalProtocol) -> bool:
    """Whether an answer lies there, by the protocol as it is now."""
    if not isinstance(note, dict) or note.get("protocol") != _fingerprint(protocol):
        return False
    return all((run.folder / "results" / str(file)).is_file() for file in note.get("results", []))


def _noted(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / _FILE).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"can't be read: {error}", where=folder / _FILE, mend="remove it: it is made again") from error
    return found if isinstance(found, dict) else {}


def _key(asked: Asked) -> str:
    return " ".join(filter(None, (asked.protocol, asked.task)))


def _fingerprint(protocol: EvalProtocol) -> str:
    content = json.dumps(asdict(replace(protocol, says="")), sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
