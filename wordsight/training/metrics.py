"""What a run measures as it goes: one JSON line every few steps, and the same for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from wordsight.atomic import write_text
from wordsight.disk import clear_disk_errors, unreadable
from wordsight.errors import InputError


class MetricsLog:
    """Means over a window of steps, written to ``metrics.jsonl`` and ``tensorboard/``.

    Args:
        folder: The run folder.
        step: Steps done before; later lines, left by a process that was killed after its last checkpoint, are dropped.
        window: Sums of the window that was under way.
    """

    def __init__(self, folder: Path, step: int = 0, window: dict[str, float] | None = None) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.path = folder / "metrics.jsonl"
        self.window: dict[str, float] = dict(window or {})
        kept = [line for line in read_metrics(self.path) if line["step"] <= step]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))
        if step == 0:
            # Of a process that was killed before its first checkpoint; its curves would lie over those of this one.
            for events in (folder / "tensorboard").glob("events.out.tfevents.*"):
                events.unlink()
        # What TensorBoard could not write in its own thread is raised at one of the next calls.
        with clear_disk_errors(folder / "tensorboard"):
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step if step else None)

    def add(self, losses: dict[str, Tensor]) -> None:
        """Add one step's measures to the window."""
        self.window["steps"] = self.window.get("steps", 0) + 1
        for name, value in losses.items():
            self.window[name] = self.window.get(name, 0.0) + float(value.detach())

    def means(self) -> dict[str, float]:
        """Means over the window so far."""
        steps = max(1.0, self.window.get("steps", 0))
        return {name: total / steps for name, total in self.window.items() if name != "steps"}

    def write(self, **also: float) -> dict[str, Any]:
        """Write the window's means with other figures as one line, and begin a new window."""
        line = {**also, **self.means()}
        self.window = {}
        with clear_disk_errors(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        with clear_disk_errors(self.path.with_name("tensorboard")):
            for name, value in line.items():
                if name != "step":
                    self._board.add_scalar(name, value, int(line["step"]))
        return line

    def close(self) -> None:
        """Flush what TensorBoard holds back."""
        with clear_disk_errors(self.path.with_name("tensorboard")):
            self._board.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a ``metrics.jsonl``; a last line cut short by a kill is left out.

    Args:
        path: The file; where it is absent there are no lines.

    Raises:
        InputError: When it can't be read, or a line is not an object of numbers with a step.
    """
    try:
        written = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(error, path) from error
    # What follows the last line's end was being written when its process was killed.
    *whole, _ = written.split(b"\n")
    return [_figures(line, f"{path}, line {number}") for number, line in enumerate(whole, 1) if line.strip()]


def _figures(line: bytes, where: str) -> dict[str, Any]:
    """One line: a step, and figures by name."""
    try:
        figures = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        figures = None
    if not isinstance(figures, dict) or not all(map(_is_figure, figures.values())) or "step" not in figures:
        expected = 'an object of numbers, such as {"step": 10, ...}'
        raise InputError("is damaged", where=where, expected=expected, mend="remove that line")
    return figures


def _is_figure(value: Any) -> bool:
    """Whether this is a number that a chart can show; a whole number may be longer than any float."""
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63)
