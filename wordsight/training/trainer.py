"""The loop: one step after another, with its bar, its metrics and its checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor
from torch.utils.data import DataLoader

from wordsight.batching.batch import Batch
from wordsight.batching.steps import Steps
from wordsight.errors import InputError
from wordsight.objectives import EpochFeatures
from wordsight.progress import progress_bar
from wordsight.training.checkpoint import Position, save_checkpoint
from wordsight.training.clock import Clock
from wordsight.training.data import TrainingData
from wordsight.training.diagnostics import Watch
from wordsight.training.distributed import agree, loader_processes, mean_over_processes
from wordsight.training.diverged import diverged, keep_batch
from wordsight.training.epoch_features import PlainViews, look_at_all
from wordsight.training.interrupt import Interrupt
from wordsight.training.metrics import MetricsLog
from wordsight.training.processes import deaf
from wordsight.training.steps import Step


class Trainer:
    """Makes all steps of a run.

    Args:
        step: How one is made, and what it trains.
        steps: Their batches.
        data: What is trained on.
        out: The run folder.
    """

    def __init__(self, step: Step, steps: Steps, data: TrainingData, out: Path) -> None:
        self.step, self.steps, self.data, self.out = step, steps, data, out
        self.learner, self.settings, self.fabric = step.learner, step.settings, step.learner.fabric
        self.every = max(1, min(50, steps.steps_per_epoch // 4))
        self.watch = Watch(self.settings, steps, data.concepts, self.learner.objective)
        self.workers = loader_processes(self.settings, self.fabric)

    def run(self, position: Position) -> float:
        """Train from a position to the end; returns the seconds of training in all.

        Args:
            position: Where the run stands.

        Raises:
            InputError: When the loss is no longer a number.
            KeyboardInterrupt: When the person stopped it; the checkpoint is written first.
        """
        log = MetricsLog(self.out, position.step, position.window) if self.fabric.is_global_zero else None
        clock = Clock(position.seconds, self.settings.checkpoint_minutes)
        self.learner.train()
        with Interrupt(says=self.fabric.is_global_zero) as interrupt, progress_bar() as bar:
            task = bar.add_task("training", total=len(self.steps), completed=position.step, note="")
            for number, batch in enumerate(self._batches(position.step), start=position.step):
                # A run that resumes within an epoch has what was done before it in its checkpoint.
                if number % self.steps.steps_per_epoch == 0:
                    self._before_epoch(number // self.steps.steps_per_epoch, interrupt, bar)
                own = self.step.update(number, batch)
                self.learner.objective.after_update(number)
                losses = mean_over_processes(self.fabric, own)
                if not math.isfinite(float(losses["loss"].detach())):
                    raise self._diverged(number, batch, own)
                if log is not None:
                    self._record(log, number, losses, clock.seconds)
                    bar.update(task, advance=1, note=_note(log.means()))
                stop, due = agree(self.fabric, interrupt.asked, clock.due)
                if stop or due or (number + 1) % self.steps.steps_per_epoch == 0:
                    self._checkpoint(number + 1, clock.seconds, log)
                    clock.saved()
                if stop:
                    raise interrupt.stopped(f"{self.out}: stopped at step {number + 1} of {len(self.steps)}")
        if log is not None:
            log.close()
        return clock.seconds

    def _before_epoch(self, epoch: int, interrupt: Interrupt, bar: Progress) -> None:
        """Let the objective do what is due before an epoch; a stop while it looks at the images loses nothing."""
        objective = self.learner.objective

        def look() -> EpochFeatures:
            views = PlainViews(self.data.corpus, np.sort(self.steps.examples), self.settings.image_size)
            # What is done now has bars of its own.
            bar.stop()

            def go_on() -> None:
                if agree(self.fabric, interrupt.asked)[0]:
                    raise interrupt.stopped(f"{self.out}: stopped before epoch {epoch + 1}")

            return look_at_all(self.fabric, objective.backbone, views, self.workers, go_on)

        torch.manual_seed(self.settings.seed * 1_000_003 + epoch)
        for parameter in objective.before_epoch(epoch, look):
            self.learner.optimizer.state.pop(parameter, None)
        bar.start()

    def _batches(self, first: int) -> Iterator[Batch]:
        loader: DataLoader[Batch] = DataLoader(
            self.steps,
            batch_size=None,
            sampler=range(first, len(self.steps)),
            num_workers=self.workers,
            pin_memory=self.fabric.device.type == "cuda",
            prefetch_factor=4 if self.workers else None,
            persistent_workers=False,
            worker_init_fn=deaf,
        )
        for batch in loader:
            yield self._completed(batch.to(self.fabric.device))

    def _completed(self, batch: Batch) -> Batch:
        """What fields compute on the device, such as token features that are not cached."""
        fields, device = self.steps.fields, self.fabric.device
        return replace(batch, fields={n: fields[n].complete(part, device) for n, part in batch.fields.items()})

    def _record(self, log: MetricsLog, number: int, losses: dict[str, Tensor], seconds: float) -> None:
        log.add(losses)
        last_of_epoch = (number + 1) % self.steps.steps_per_epoch == 0
        if (number + 1) % self.every and not last_of_epoch:
            return
        line = log.write(
            step=number + 1,
            epoch=round((number + 1) / self.steps.steps_per_epoch, 4),
            lr=self._rate,
            images_per_second=round((number + 1) * self.settings.batch_size / max(seconds, 1e-9), 2),
            seconds=round(seconds, 2),
        )
        self.watch.line(number + 1, line)
        if last_of_epoch:
            self.watch.epoch((number + 1) // self.steps.steps_per_epoch, line)

    @property
    def _rate(self) -> float:
        rate: float = self.learner.optimizer.param_groups[0]["lr"]
        return rate

    def _diverged(self, number: int, batch: Batch, losses: dict[str, Tensor]) -> InputError:
        """Keep this process's share of the batch whose loss is no number; gives the error that stops the run."""
        world, rank = self.fabric.world_size, self.fabric.global_rank
        path = self.out / ("diverged-batch.safetensors" if world == 1 else f"diverged-batch-{rank}.safetensors")
        values = {name: float(value.detach()) for name, value in losses.items()}
        keep_batch(path, batch, self.data.corpus, step=number + 1, lr=self._rate, losses=values)
        self.fabric.barrier()
        return diverged(number + 1, values["loss"], self._rate, path, self.out / "checkpoint.safetensors")

    def _checkpoint(self, done: int, seconds: float, log: MetricsLog | None) -> None:
        state = self.learner.full_state()
        if log is not None:
            save_checkpoint(self.out / "checkpoint.safetensors", state, Position(done, seconds, log.window))
        self.fabric.barrier()


def _note(means: dict[str, float]) -> str:
    shown = [f"{name} {value:.3f}" for name, value in means.items() if name != "gradient_norm"]
    return " ".join(shown)
