"""The loop of masked language modelling: steps, the held-out score on the way, metrics and checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.device import autocast, chosen_precision
from wordsight.errors import InputError, setting
from wordsight.language.masked_steps import MaskedBatch, MaskedSteps
from wordsight.optim import Schedule, decay_groups, set_rate
from wordsight.progress import progress_bar
from wordsight.training.checkpoint import Position, State, save_checkpoint
from wordsight.training.clock import Clock
from wordsight.training.interrupt import Interrupt
from wordsight.training.language.language_settings import LanguageSettings
from wordsight.training.metrics import MetricsLog

# How many times the held-out sentences are scored on the way.
_SCORES = 16


class LanguageLoop:
    """Trains a BERT by masked language modelling.

    Args:
        model: A transformers ``BertForMaskedLM``, on its device.
        steps: The batches.
        scored: The held-out batches, on the model's device.
        settings: Every value.
        out: Where ``metrics.jsonl`` goes.
    """

    def __init__(
        self, model: Any, steps: MaskedSteps, scored: Sequence[MaskedBatch], settings: LanguageSettings, out: Path
    ) -> None:
        self.model, self.steps, self.scored, self.settings, self.out = model, steps, scored, settings, out
        self.device = torch.device(model.device)
        self.precision = chosen_precision(settings.precision, self.device)
        groups = decay_groups(model.parameters(), settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.98), eps=1e-6, fused=True)
        self.every = max(1, len(steps) // _SCORES)
        self._rates = Schedule(settings.warmup_share, settings.schedule)
        self._seen = ""

    def run(self, position: Position, checkpoint: Path) -> float:
        """Train from a position to the end; returns the seconds of training in all.

        Raises:
            InputError: When the loss is no longer a number.
            KeyboardInterrupt: When the person stopped it; the checkpoint is written first.
        """
        log = MetricsLog(self.out, position.step, position.window)
        clock = Clock(position.seconds, self.settings.checkpoint_minutes)
        self.model.train()
        with Interrupt() as interrupt, progress_bar() as bar:
            task = bar.add_task("training", total=len(self.steps), completed=position.step, note="")
            for step in range(position.step, len(self.steps)):
                log.add(self._step(step))
                done = step + 1
                if done % self.every == 0 or done == len(self.steps):
                    self._record(log, done, clock.seconds)
                bar.update(task, advance=1, note=f"loss {log.means().get('loss', float('nan')):.3f}{self._seen}")
                if interrupt.asked or clock.due or done == len(self.steps):
                    at = Position(done, clock.seconds, log.window)
                    save_checkpoint(checkpoint, State.of(self.model, self.optimizer), at)
                    clock.saved()
                if interrupt.asked:
                    raise interrupt.stopped(f"{self.out}: stopped at step {done} of {len(self.steps)}")
        log.close()
        return clock.seconds

    def _step(self, step: int) -> dict[str, Tensor]:
        settings = self.settings
        # Dropout depends on the step alone, so that there is no generator state to resume.
        torch.manual_seed(settings.seed * 1_000_003 + step)
        lr = settings.lr * self._rates.rate(step, len(self.steps))
        set_rate(self.optimizer, lr)
        batch = self.steps[step].to(self.device)
        logits_MV = masked_logits(self.model, batch, self.precision)
        loss = functional.cross_entropy(logits_MV, batch.targets_M)
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss is no longer a number at step {step + 1} (learning rate {lr:g})",
                where=self.out,
                mend=f"give a smaller {setting('lr')}",
            )
        loss.backward()
        if settings.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        hits = logits_MV.argmax(1) == batch.targets_M
        return {"loss": loss, "accuracy": 100 * hits.double().mean()}

    def _record(self, log: MetricsLog, done: int, seconds: float) -> None:
        accuracy, loss = score(self.model, self.scored, self.precision)
        self.model.train()
        self._seen = f" held-out {accuracy:.1f} %"
        log.write(
            step=done,
            epoch=round(done / self.steps.steps_per_epoch, 4),
            lr=self.optimizer.param_groups[0]["lr"],
            held_out_accuracy=round(accuracy, 4),
            held_out_loss=round(loss, 6),
            seconds=round(seconds, 2),
        )


def masked_logits(model: Any, batch: MaskedBatch, precision: torch.dtype) -> Tensor:
    """Scores of all tokens at the places asked for, ``[M, V]`` float32; nothing is computed for the other places."""
    device = torch.device(model.device)
    with autocast(device, precision):
        present = None if batch.present_BT is None else batch.present_BT.long()
        tokens_BTD = model.bert(input_ids=batch.ids_BT, attention_mask=present).last_hidden_state
        logits_MV: Tensor = model.cls(tokens_BTD.flatten(0, 1)[batch.places_M])
    return logits_MV.float()


@torch.no_grad()
def score(model: Any, batches: Sequence[MaskedBatch], precision: torch.dtype) -> tuple[float, float]:
    """Percent of the masked tokens that a model tells, and their mean cross-entropy; leaves it in evaluation mode."""
    model.eval()
    hits, loss, asked = 0, 0.0, 0
    for batch in batches:
        logits_MV = masked_logits(model, batch, precision)
        hits += int((logits_MV.argmax(1) == batch.targets_M).sum())
        loss += float(functional.cross_entropy(logits_MV, batch.targets_M, reduction="sum"))
        asked += len(batch.targets_M)
    return 100 * hits / asked, loss / asked
