"""Pretraining: a corpus, its concepts and a recipe in; a run folder out."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray

from wordsight.batching.needs import Needs
from wordsight.corpus.known_images import KnownImages
from wordsight.errors import InputError, setting
from wordsight.objectives import (
    EpochFeatures,
    Objective,
    build_objective,
    objective_kind,
    objective_needs,
    resolved_values,
)
from wordsight.progress import console, say
from wordsight.training.batch_norm import batch_norm_lines, prepare_batch_norm
from wordsight.training.checkpoint import Position, load_checkpoint
from wordsight.training.claim import claim
from wordsight.training.concept_means import concept_means, write_means
from wordsight.training.data import (
    TrainingData,
    check_learnable,
    check_sampling,
    examples_of,
    facts_of,
    info_of,
    steps_of,
)
from wordsight.training.diagnostics import summary_lines
from wordsight.training.distributed import build_fabric, loader_processes
from wordsight.training.epoch_features import PlainViews, look_at_all
from wordsight.training.kept_concepts import keep_concepts
from wordsight.training.learner import Learner
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.processes import launch
from wordsight.training.run import Run, new_backbone, write_start, write_weights
from wordsight.training.steps import step_of
from wordsight.training.trainer import Trainer

# Settings that change where and how fast a run runs: the batches of its steps stay the same, and a resumed run may have
# others.
_FREE_ON_RESUME = ("workers", "checkpoint_minutes", "feature_cache_gb", "device", "devices", "compile")


def train(settings: PretrainSettings, data: TrainingData, out: Path, *, resume: bool = False) -> Run:
    """Train an objective on a corpus.

    Args:
        settings: Every value of the run.
        data: What it is trained on.
        out: The run folder to make.
        resume: Go on from the checkpoint in ``out``, to the same numbers as if it had never stopped. Without a
            checkpoint the run starts at its beginning.

    Returns:
        The finished run.

    Raises:
        InputError: When the folder exists, the settings differ from those of the run to be resumed, the data can't be
            learned from, or the loss is no longer a number.
        KeyboardInterrupt: When the person stopped it; the checkpoint is written first.
    """
    settings = _resolved(settings)
    kind = objective_kind(settings.objective).build
    needs = objective_needs(settings.objective, settings.objective_settings)
    examples = examples_of(data, needs)
    check_sampling(settings, data, examples)
    check_learnable(settings, data, examples)
    if claim(out, resume=resume):
        _check_same(Run.open(out), settings, data)
    if not kind.learns:
        return _without_steps(settings, data, out, needs, examples)
    fabric = build_fabric(settings)
    work = partial(_worker, settings=settings, data=data, out=out, needs=needs, examples=examples)
    if settings.devices > 1:
        launch(fabric, work)
    else:
        work(fabric)
    return Run.open(out)


def _without_steps(
    settings: PretrainSettings, data: TrainingData, out: Path, needs: Needs, examples: NDArray[np.int64]
) -> Run:
    """The run of an objective that learns nothing in steps: its backbone is that with which training would begin."""
    torch.manual_seed(settings.seed)
    facts = facts_of(data, needs, len(examples))
    objective = build_objective(settings.objective, settings.objective_settings, new_backbone(settings), facts)
    info = info_of(data, len(examples), 0).begun_with(objective.backbone)
    write_start(out, settings, info)
    # An untouched network knows no image.
    _keep_data(out, data, examples if objective.solved else [])
    for line in summary_lines(settings, objective, info):
        console.print(line)
    begun = time.monotonic()
    if objective.solved:
        _solve(settings, data, objective, examples)
    write_weights(out, objective, facts)
    write_start(out, settings, replace(info, finished=True, seconds=round(time.monotonic() - begun, 1)))
    return Run.open(out)


def _solve(settings: PretrainSettings, data: TrainingData, objective: Objective, examples: NDArray[np.int64]) -> None:
    """Solve an objective from one look at all images, in one process."""
    fabric = build_fabric(replace(settings, devices=1))

    def look() -> EpochFeatures:
        views = PlainViews(data.corpus, np.sort(examples), settings.image_size)
        backbone = objective.backbone.to(fabric.device)
        return look_at_all(fabric, backbone, views, loader_processes(settings, fabric), lambda: None)

    objective.solve(look)


def _worker(
    fabric: Fabric, settings: PretrainSettings, data: TrainingData, out: Path, needs: Needs, examples: NDArray[np.int64]
) -> None:
    """One process of a run."""
    torch.manual_seed(settings.seed)
    facts = facts_of(data, needs, len(examples))
    objective = build_objective(settings.objective, settings.objective_settings, new_backbone(settings), facts)
    objective.backbone.to(memory_format=torch.channels_last)
    prepare_batch_norm(objective, settings)
    steps = steps_of(settings, data, examples, needs, fabric.global_rank, fabric.world_size)
    info = info_of(data, len(examples), len(steps))
    path = Run(out, settings, info).checkpoint_path
    resumes = path.exists()
    if resumes:
        # It goes on seeing what it has seen, also where its settings meant other pixels to an older version.
        objective.backbone.preprocessing = Run.open(out).info.preprocessing(settings.image_size)
    info = info.begun_with(objective.backbone)
    if fabric.is_global_zero:
        write_start(out, settings, info)
        _keep_data(out, data, examples)
        for line in summary_lines(settings, objective, info):
            console.print(line)
        for line in batch_norm_lines(settings, objective):
            say(line)
    learner = Learner(fabric, objective, settings)
    objective = learner.objective
    position = load_checkpoint(path, objective, learner.optimizer) if resumes else Position(0, 0.0, {})
    if settings.compile:
        objective.backbone.network.compile()
    seconds = Trainer(step_of(learner, settings, len(steps)), steps, data, out).run(position)
    if fabric.is_global_zero:
        write_weights(out, objective, facts)
        means = concept_means(
            objective, data.corpus, data.split, settings.image_size, fabric.device, loader_processes(settings, fabric)
        )
        write_means(out, means)
        write_start(out, settings, replace(info, finished=True, seconds=round(seconds, 1)))
        path.unlink(missing_ok=True)


def _keep_data(out: Path, data: TrainingData, examples: Sequence[int] | NDArray[np.int64]) -> None:
    """Write what the run keeps of its data: with it the run stays whole when its corpus is moved or removed."""
    KnownImages.of(data.corpus, examples).write(out)
    keep_concepts(out, data.concepts, data.corpus, data.split)
    for field in data.fields.values():
        field.keep(out, data.corpus)


def _resolved(settings: PretrainSettings) -> PretrainSettings:
    """The settings with every value of the objective, so that a run does not change when defaults do."""
    return replace(settings, objective_settings=resolved_values(settings.objective, settings.objective_settings))


def changed_settings(run: Run, settings: PretrainSettings, *, leave_out: Collection[str] = ()) -> list[str]:
    """In what other settings would make another run, a phrase each; those of where and how fast it runs are left out.

    Args:
        run: The run.
        settings: The other settings.
        leave_out: Settings that are not compared.
    """
    free = {name: getattr(settings, name) for name in _FREE_ON_RESUME}
    before, now = asdict(replace(_resolved(run.settings), **free)), asdict(_resolved(settings))
    names = [name for name in now if name not in leave_out and before[name] != now[name]]
    return [f"{name} was {before[name]!r} and is now {now[name]!r}" for name in names]


def _check_same(run: Run, settings: PretrainSettings, data: TrainingData) -> None:
    """Refuse to resume a run that is finished, or with other settings or on other data."""
    before_sets = {name: found.fingerprint for name, found in run.info.concepts.items()}
    now_sets = {name: found.fingerprint for name, found in data.concepts.items()}
    # The same concepts may be in another folder now.
    changed = changed_settings(run, settings, leave_out={"concepts"} if before_sets == now_sets else set())
    if run.info.finished:
        others = f", and {'; '.join(changed)}" if changed else ""
        weights = setting("weights", run.path / "backbone.safetensors")
        mend = f"give another {setting('out')} to train again, from these weights with {weights}"
        raise InputError(f"is already finished{others}", where=run.path, mend=mend)
    if run.info.corpus_fingerprint != data.corpus.fingerprint:
        changed.append(f"the corpus was {run.info.corpus_fingerprint} and is now {data.corpus.fingerprint}")
    if before_sets != now_sets:
        changed.append(f"the concepts were {before_sets} and are now {now_sets}")
    if changed:
        why = " (the learning rate's schedule spans the whole run)" if run.settings.epochs != settings.epochs else ""
        raise InputError(
            f"can't go on with other values: {'; '.join(changed)}{why}",
            where=run.path,
            mend=f"resume with the same values, or give another {setting('out')}",
        )
