"""What a training step of an objective costs: against the step of its bare backbone, side by side, on real batches."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch

from wordsight.batching.batch import Batch
from wordsight.errors import InputError
from wordsight.objectives import Losses, Objective, Seen, objective_needs
from wordsight.training.data import examples_of, steps_of, training_data
from wordsight.training.distributed import build_fabric
from wordsight.training.learner import Learner
from wordsight.training.run import Run
from wordsight.training.steps import PlainStep, Step, step_of

# Steps of each kind before the first that is timed.
_WARM = 2


@dataclass(frozen=True)
class StepCost:
    """What a step costs.

    Args:
        ratio: Its time as a multiple of the bare backbone's forward, backward and update: the median over pairs of
            steps, one right after the other.
        milliseconds: Its median time.
        megabytes: The most memory of the process that makes such steps, its libraries included; on a GPU the most that
            was held there.
    """

    ratio: float
    milliseconds: float
    megabytes: float

    def as_json(self) -> dict[str, float]:
        """Its numbers by name."""
        return asdict(self)


class _Bare(Objective):
    """The backbone with nothing on it."""

    divisible = True

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        return Losses(seen.grid().float().mean())


def step_cost(run: Run, rounds: int = 9) -> StepCost:
    """Time steps of a finished run's objective and of its bare backbone in turns, on batches that it was trained on.

    Nothing of the run is changed. What fields compute on the device in every step, such as token features that are not
    kept, counts; reading the batch does not: a loader does that beside the steps.

    Args:
        run: The run; with its corpus.
        rounds: Pairs of steps.

    Raises:
        InputError: When its objective learns nothing, or its corpus is not there.
    """
    settings = replace(run.settings, devices=1)
    objective = run.objective()
    if not objective.learns:
        raise InputError("learns nothing: it makes no step", where=run.path)
    data = training_data(settings, run.corpus(), run.info.split)
    needs = objective_needs(settings.objective, settings.objective_settings)
    # In one process: other numbers of them would be of other batches.
    steps = steps_of(settings, data, examples_of(data, needs), needs, 0, 1)
    fabric = build_fabric(settings)
    total = len(steps)
    bare, own = _Bare(run.backbone("random")), objective
    for each in (bare, own):
        each.backbone.to(memory_format=torch.channels_last)
    bare_step: Step = PlainStep(Learner(fabric, bare, settings), settings, total)
    own_step = step_of(Learner(fabric, own, settings), settings, total)
    for step in (bare_step, own_step):
        step.learner.train()

    def whole_step(number: int, batch: Batch) -> None:
        fields = {name: steps.fields[name].complete(part, fabric.device) for name, part in batch.fields.items()}
        own_step.update(number, replace(batch, fields=fields))

    bare_seconds, own_seconds = [], []
    for number in range(min(rounds + _WARM, total)):
        batch = steps[number].to(fabric.device)
        bare_seconds.append(_seconds(partial(bare_step.update, number, batch), fabric.device))
        own_seconds.append(_seconds(partial(whole_step, number, batch), fabric.device))
    timed = slice(min(_WARM, len(own_seconds) - 1), None)
    ratio = statistics.median(mine / other for mine, other in zip(own_seconds[timed], bare_seconds[timed], strict=True))
    milliseconds = 1000 * statistics.median(own_seconds[timed])
    return StepCost(round(ratio, 3), round(milliseconds, 1), round(_megabytes(fabric.device), 1))


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    begin = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def _megabytes(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    # Linux says it in kilobytes, macOS in bytes.
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
