"""Pretraining: a corpus, its concepts and a recipe in; a run folder out."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from rich.progress import Progress
from torch.utils.data import DataLoader

from wordsight.batching.batch import Batch
from wordsight.batching.steps import Steps
from wordsight.corpus.known_images import KnownImages
from wordsight.device import chosen_device, precision_on
from wordsight.errors import InputError
from wordsight.objectives import Look, Objective, build_objective, objective_kind
from wordsight.parallel import cores
from wordsight.progress import console, progress_bar
from wordsight.training.checkpoint import Position, load_checkpoint, save_checkpoint
from wordsight.training.claim import claim
from wordsight.training.concept_means import concept_means, write_means
from wordsight.training.data import TrainingData, check_sampling, examples_of, facts_of, info_of, steps_of
from wordsight.training.diagnostics import Watch, summary_lines
from wordsight.training.diverged import diverged, keep_batch
from wordsight.training.epoch_features import PlainViews, look_at_all
from wordsight.training.interrupt import Interrupt
from wordsight.training.kept_concepts import keep_concepts
from wordsight.training.metrics import MetricsLog
from wordsight.training.optimizer import build_optimizer, rate_at, set_rate
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.processes import deaf, launch
from wordsight.training.run import Run, new_backbone, write_start, write_weights
from wordsight.training.sparse_optimizers import average_rows, clip_gradients, leave_tables_out
from wordsight.training.synced_batch_norm import synced

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
    kind = objective_kind(settings.objective).build
    examples = examples_of(data, kind.needs)
    check_sampling(settings, data, examples)
    if claim(out, resume=resume):
        _check_same(Run.open(out), settings, data)
    if not kind.learns:
        return _untouched(settings, data, out, len(examples))
    fabric = _fabric(settings)
    work = partial(_worker, settings=settings, data=data, out=out, examples=examples)
    if settings.devices > 1:
        launch(fabric, work)
    else:
        work(fabric)
    return Run.open(out)


def _untouched(settings: PretrainSettings, data: TrainingData, out: Path, images: int) -> Run:
    """The run of an objective that learns nothing: its weights are those that training would begin with."""
    torch.manual_seed(settings.seed)
    facts = facts_of(data, images)
    objective = build_objective(settings.objective, settings.objective_settings, new_backbone(settings), facts)
    info = info_of(data, images, 0).begun_with(objective.backbone)
    write_start(out, settings, info)
    KnownImages.of(data.corpus, []).write(out)
    keep_concepts(out, data.concepts, data.corpus, data.split)
    for line in summary_lines(settings, objective, info):
        console.print(line)
    write_weights(out, objective, facts)
    write_start(out, settings, replace(info, finished=True))
    return Run.open(out)


def _worker(
    fabric: Fabric, settings: PretrainSettings, data: TrainingData, out: Path, examples: NDArray[np.int64]
) -> None:
    """One process of a run."""
    torch.manual_seed(settings.seed)
    facts = facts_of(data, len(examples))
    objective = build_objective(settings.objective, settings.objective_settings, new_backbone(settings), facts)
    objective.backbone.to(memory_format=torch.channels_last)
    steps = steps_of(settings, data, examples, objective.needs, fabric.global_rank, fabric.world_size)
    info = info_of(data, len(examples), len(steps))
    path = Run(out, settings, info).checkpoint_path
    resumes = path.exists()
    if resumes:
        # It goes on seeing what it has seen, also where its settings meant other pixels to an older version.
        objective.backbone.preprocessing = Run.open(out).info.preprocessing(settings.image_size)
    info = info.begun_with(objective.backbone)
    if fabric.is_global_zero:
        write_start(out, settings, info)
        KnownImages.of(data.corpus, examples).write(out)
        keep_concepts(out, data.concepts, data.corpus, data.split)
        for line in summary_lines(settings, objective, info):
            console.print(line)
    if fabric.world_size > 1:
        objective = synced(objective, fabric.device)
    optimizer = build_optimizer(objective, settings.optimizer, settings.lr)
    whole = _Step(objective)
    leave_tables_out(whole)
    wrapped, optimizer = fabric.setup(whole, optimizer)
    position = load_checkpoint(path, objective, optimizer) if resumes else Position(0, 0.0, {})
    if settings.compile:
        objective.backbone.network.compile()
    trainer = _Trainer(fabric, settings, data, objective, wrapped, optimizer, steps, out)
    seconds = trainer.run(position)
    if fabric.is_global_zero:
        write_weights(out, objective, facts)
        means = concept_means(
            objective, data.corpus, data.split, settings.image_size, fabric.device, loaders(settings, fabric)
        )
        write_means(out, means)
        write_start(out, settings, replace(info, finished=True, seconds=round(seconds, 1)))
        path.unlink(missing_ok=True)


class _Sealed:
    """A batch that Fabric passes on as it is: it would copy every field and make half-precision features float32."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class _Step(torch.nn.Module):
    """The objective as Fabric wraps it."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, sealed: _Sealed) -> dict[str, torch.Tensor]:
        losses: dict[str, torch.Tensor] = self.objective(sealed.batch)
        return losses


class _Trainer:
    """The loop: one step after another, with its bar, its metrics and its checkpoints."""

    def __init__(
        self,
        fabric: Fabric,
        settings: PretrainSettings,
        data: TrainingData,
        objective: Objective,
        wrapped: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        steps: Steps,
        out: Path,
    ) -> None:
        self.fabric, self.settings, self.data, self.out = fabric, settings, data, out
        self.objective, self.wrapped, self.optimizer, self.steps = objective, wrapped, optimizer, steps
        self.every = max(1, min(50, steps.steps_per_epoch // 4))
        self.watch = Watch(settings, steps, data.concepts)

    def run(self, position: Position) -> float:
        """Train from a position to the end; returns the seconds of training in all."""
        log = MetricsLog(self.out, position.step, position.window) if self.fabric.is_global_zero else None
        began = time.monotonic() - position.seconds
        saved = time.monotonic()
        self.wrapped.train()
        with Interrupt(says=self.fabric.is_global_zero) as interrupt, progress_bar() as bar:
            task = bar.add_task("training", total=len(self.steps), completed=position.step, note="")
            for step, batch in enumerate(self._batches(position.step), start=position.step):
                # A run that resumes within an epoch has what was done before it in its checkpoint.
                if step % self.steps.steps_per_epoch == 0:
                    self._before_epoch(step // self.steps.steps_per_epoch, interrupt, bar)
                own = self._step(step, batch)
                losses = self._over_processes(own)
                if not math.isfinite(float(losses["loss"].detach())):
                    raise self._diverged(step, batch, own)
                if log is not None:
                    self._record(log, step, losses, began)
                    bar.update(task, advance=1, note=_note(log.means()))
                late = time.monotonic() - saved > 60 * self.settings.checkpoint_minutes
                stop, due = self._agree(interrupt.asked, late)
                if stop or due or (step + 1) % self.steps.steps_per_epoch == 0:
                    self._checkpoint(step + 1, time.monotonic() - began, log)
                    saved = time.monotonic()
                if stop:
                    raise interrupt.stopped(f"{self.out}: stopped at step {step + 1} of {len(self.steps)}")
        if log is not None:
            log.close()
        return time.monotonic() - began

    def _before_epoch(self, epoch: int, interrupt: Interrupt, bar: Progress) -> None:
        """Let the objective do what is due before an epoch; a stop while it looks at the images loses nothing."""

        def look() -> Look:
            views = PlainViews(self.data.corpus, np.sort(self.steps.examples), self.settings.image_size)
            # What is done now has bars of its own.
            bar.stop()

            def go_on() -> None:
                if self._agree(interrupt.asked)[0]:
                    raise interrupt.stopped(f"{self.out}: stopped before epoch {epoch + 1}")

            return look_at_all(self.fabric, self.objective.backbone, views, loaders(self.settings, self.fabric), go_on)

        torch.manual_seed(self.settings.seed * 1_000_003 + epoch)
        for parameter in self.objective.before_epoch(epoch, look):
            self.optimizer.state.pop(parameter, None)
        bar.start()

    def _agree(self, *wishes: bool) -> list[bool]:
        """What any process wishes, all do: clocks and signals differ, and a step that not all make would never end."""
        if self.fabric.world_size == 1:
            return list(wishes)
        flags = torch.tensor([float(wish) for wish in wishes], device=self.fabric.device)
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        return [bool(flag) for flag in flags.tolist()]

    def _batches(self, first: int) -> Iterator[Batch]:
        workers = loaders(self.settings, self.fabric)
        loader: DataLoader[Batch] = DataLoader(
            self.steps,
            batch_size=None,
            sampler=range(first, len(self.steps)),
            num_workers=workers,
            pin_memory=self.fabric.device.type == "cuda",
            prefetch_factor=4 if workers else None,
            persistent_workers=False,
            worker_init_fn=deaf,
        )
        for batch in loader:
            yield self._with_tokens(batch.to(self.fabric.device))

    def _with_tokens(self, batch: Batch) -> Batch:
        """Run the language model on the masked captions, where their features are not cached."""
        words = batch.masked
        if words is None or words.tokens_BmTD is not None:
            return batch
        assert self.data.language is not None, "masked words come with a language model"
        ids, present = words.ids_BmT.flatten(0, 1), words.present_BmT.flatten(0, 1)
        tokens = self.data.language.features(ids, present).to(self.fabric.device)
        return replace(batch, masked=words.with_tokens(tokens.unflatten(0, words.ids_BmT.shape[:2])))

    def _step(self, step: int, batch: Batch) -> dict[str, torch.Tensor]:
        settings = self.settings
        # Chance within the step (dropout) depends on the step alone, so that there is no generator state to resume.
        torch.manual_seed((settings.seed * 1_000_003 + step) * 1_009 + self.fabric.global_rank)
        set_rate(self.optimizer, settings.lr * rate_at(step, len(self.steps), settings.optimizer))
        losses: dict[str, torch.Tensor] = self.wrapped(_Sealed(batch))
        self.fabric.backward(losses["loss"])
        average_rows(self.objective.parameters())
        if settings.optimizer.clip_norm > 0:
            norm = clip_gradients(self.objective.parameters(), settings.optimizer.clip_norm)
            losses = {**losses, "gradient_norm": norm}
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return losses

    def _over_processes(self, losses: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The mean over all processes, each of which has seen its part of the step's images."""
        if self.fabric.world_size == 1:
            return losses
        stacked = torch.stack([value.detach().float() for value in losses.values()])
        mean = self.fabric.all_reduce(stacked, reduce_op="mean")
        assert isinstance(mean, torch.Tensor)
        return dict(zip(losses, mean, strict=True))

    def _record(self, log: MetricsLog, step: int, losses: dict[str, torch.Tensor], began: float) -> None:
        log.add(losses)
        last_of_epoch = (step + 1) % self.steps.steps_per_epoch == 0
        if (step + 1) % self.every and not last_of_epoch:
            return
        seconds = time.monotonic() - began
        line = log.write(
            step=step + 1,
            epoch=round((step + 1) / self.steps.steps_per_epoch, 4),
            lr=self.optimizer.param_groups[0]["lr"],
            images_per_second=round((step + 1) * self.settings.batch_size / max(seconds, 1e-9), 2),
            seconds=round(seconds, 2),
        )
        if last_of_epoch:
            self.watch.epoch((step + 1) // self.steps.steps_per_epoch, line)

    def _diverged(self, step: int, batch: Batch, losses: dict[str, torch.Tensor]) -> InputError:
        """Keep this process's share of the batch whose loss is no number; gives the error that stops the run."""
        world, rank = self.fabric.world_size, self.fabric.global_rank
        path = self.out / ("diverged-batch.safetensors" if world == 1 else f"diverged-batch-{rank}.safetensors")
        values = {name: float(value.detach()) for name, value in losses.items()}
        lr = self.optimizer.param_groups[0]["lr"]
        keep_batch(path, batch, self.data.corpus, step=step + 1, lr=lr, losses=values)
        self.fabric.barrier()
        return diverged(step + 1, values["loss"], lr, path, self.out / "checkpoint.safetensors")

    def _checkpoint(self, done: int, seconds: float, log: MetricsLog | None) -> None:
        if log is not None:
            position = Position(done, seconds, log.window)
            save_checkpoint(self.out / "checkpoint.safetensors", self.objective, self.optimizer, position)
        self.fabric.barrier()


def _fabric(settings: PretrainSettings) -> Fabric:
    device = chosen_device(settings.device)
    # It announces its precision on standard error, which the recipe says already.
    for room in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(room).setLevel(logging.WARNING)
    # Under torchrun the processes are there already; otherwise they are spawned from this one.
    several = "ddp" if "TORCHELASTIC_RUN_ID" in os.environ else "ddp_spawn"
    return Fabric(
        accelerator=device.type,
        devices=settings.devices,
        strategy=several if settings.devices > 1 else "auto",
        precision="bf16-mixed" if _bf16(settings, device) else "32-true",
    )


def _bf16(settings: PretrainSettings, device: torch.device) -> bool:
    if settings.precision != "auto":
        return settings.precision == "bf16"
    return precision_on(device) == torch.bfloat16


def loaders(settings: PretrainSettings, fabric: Fabric) -> int:
    """Loader processes of each process of a run."""
    if settings.workers >= 0:
        return settings.workers
    # On the CPU the backbone wants the cores: one process decodes ahead. A GPU wants to be fed.
    return 1 if fabric.device.type == "cpu" else max(1, min(12, cores() - 1) // fabric.world_size)


def _check_same(run: Run, settings: PretrainSettings, data: TrainingData) -> None:
    """Refuse to resume a run that is finished, or with other settings or on other data."""
    free = {name: getattr(settings, name) for name in _FREE_ON_RESUME}
    before, now = asdict(replace(run.settings, **free)), asdict(settings)
    before_sets = {name: found.fingerprint for name, found in run.info.concepts.items()}
    now_sets = {name: found.fingerprint for name, found in data.concepts.items()}
    # The same concepts may be in another folder now.
    same = {"concepts"} if before_sets == now_sets else set()
    changed = [f"{n} was {before[n]!r} and is now {now[n]!r}" for n in now if n not in same and before[n] != now[n]]
    if run.info.finished:
        others = f", and {'; '.join(changed)}" if changed else ""
        mend = f"give another --out to train again, from these weights with --weights {run.path}/backbone.safetensors"
        raise InputError(f"is already finished{others}", where=run.path, mend=mend)
    if run.info.corpus_fingerprint != data.corpus.fingerprint:
        changed.append(f"the corpus was {run.info.corpus_fingerprint} and is now {data.corpus.fingerprint}")
    if before_sets != now_sets:
        changed.append(f"the concepts were {before_sets} and are now {now_sets}")
    if changed:
        why = " (the learning rate's schedule spans the whole run)" if before["epochs"] != now["epochs"] else ""
        raise InputError(
            f"can't go on with other values: {'; '.join(changed)}{why}",
            where=run.path,
            mend="resume with the same values, or give another --out",
        )


def _note(means: dict[str, float]) -> str:
    shown = [f"{name} {value:.3f}" for name, value in means.items() if name != "gradient_norm"]
    return " ".join(shown)
