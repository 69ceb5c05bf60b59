"""What K concepts cost: time and memory of a training step's tag head, loss and update, as K grows.

    python benchmarks/vocabulary_size.py                                    # 1K, 10K, 100K concepts on one core
    python benchmarks/vocabulary_size.py --concepts 1000 100000 1000000
    python benchmarks/vocabulary_size.py --device cuda

Each of 64 images holds 15 of the K concepts, drawn as words are: the k-th is as frequent as 1/k. ``softmax`` scores
all K concepts and updates all rows of the last layer; ``sampled-softmax`` scores and updates those of the batch. The
backbone is left out: its pooled features, 512 numbers an image, are given.

``rows`` is how many rows of the last layer a step reads: all K, or the batch's concepts. ``ms`` is the median of a step
(head, loss, backward pass, clipping, update); ``draw`` that of drawing its examples and candidates, which loader
processes do. On a processor both are processor time, which other work on the machine does not lengthen. ``MB`` is the
most that a step holds at once on top of what stays from step to step (weights and moments: ``kept MB``), summed over
torch's allocations. ``x`` is the ratio to the first K of the same loss.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import record
import scipy.sparse
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from wordsight.batching.fields.tags import Tags, tags_of
from wordsight.batching.sampling import CandidateSampler, ImageSampler
from wordsight.heads.tag_head import TagHead
from wordsight.objectives.tag_losses import tag_loss
from wordsight.training.sparse_optimizers import RowAdamW, clip_gradients

IMAGES, BATCH, CONCEPTS_AN_IMAGE, WIDTH = 6_400, 64, 15, 512
LOSSES = ("softmax", "sampled-softmax")
# The profiler that counts the processor's memory says on standard error when it starts and stops.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")


@dataclass(frozen=True)
class Cost:
    """What a step costs.

    Args:
        seconds: Its time.
        step_bytes: The most that it holds on top of what is kept.
        kept_bytes: Weights and moments.
        draw_seconds: Time to draw the examples and candidates.
        candidates: Concepts that it looked at.
    """

    seconds: float
    step_bytes: int
    kept_bytes: int
    draw_seconds: float
    candidates: float


def labels(concepts: int) -> scipy.sparse.csr_matrix:
    """Images with concepts by Zipf's law."""
    random = np.random.default_rng(0)
    # Zipf's law by its inverse: k is drawn with a chance near 1 / (k ln K).
    drawn = np.exp(random.random((IMAGES, CONCEPTS_AN_IMAGE)) * np.log(concepts)).astype(np.int64) - 1
    rows = np.repeat(np.arange(IMAGES), CONCEPTS_AN_IMAGE)
    matrix = scipy.sparse.csr_matrix(
        (np.ones(rows.size, dtype=np.float32), (rows, drawn.ravel())), shape=(IMAGES, concepts)
    )
    matrix.data[:] = 1
    return matrix


def peak_of(step: Callable[[], None], device: torch.device) -> int:
    """The most bytes that a step holds at once on top of what was there before it."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    held = peak = 0
    assert profiler.profiler is not None and profiler.profiler.kineto_results is not None
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def cost_of(loss: str, concepts: int, options: argparse.Namespace) -> Cost:
    """Measure a loss at a number of concepts."""
    torch.manual_seed(0)
    device = torch.device(options.device)
    matrix = labels(concepts)
    sampler = ImageSampler(np.arange(IMAGES), BATCH, 0)
    draw = CandidateSampler(matrix, sampler, options.negatives, 0) if loss == "sampled-softmax" else None
    head = TagHead(WIDTH, concepts, table=draw is not None).to(device)
    optimizer = RowAdamW(head.parameters(), 1e-3, weight_decay=0.05, fused=True)
    grid_BCHW = torch.randn(BATCH, WIDTH, 1, 1, device=device)
    times, draws, counts = [], [], []
    for number in range(options.steps + options.warmup):
        begin = time.process_time()
        examples_B = sampler.draw(number).examples_B
        tags = tags_of(matrix[examples_B], np.zeros(BATCH))
        if draw is not None:
            found, log_chances = draw.draw(number, examples_B)
            tags = Tags(
                tags.image_P,
                tags.concept_P,
                tags.value_P,
                tags.drawn_B,
                torch.from_numpy(found),
                torch.from_numpy(log_chances),
            )
        draws.append(time.process_time() - begin)
        counts.append(concepts if tags.candidates_C is None else len(tags.candidates_C))
        step = partial(train, head, optimizer, grid_BCHW, tags.to(device), loss)
        times.append(seconds(step, device))
    step_bytes = peak_of(step, device)
    kept = [*head.parameters(), *(v for s in optimizer.state.values() for v in s.values() if isinstance(v, Tensor))]
    measured = slice(options.warmup, None)
    return Cost(
        statistics.median(times[measured]),
        step_bytes,
        sum(tensor.numel() * tensor.element_size() for tensor in kept),
        statistics.median(draws[measured]),
        statistics.mean(counts[measured]),
    )


def train(head: TagHead, optimizer: torch.optim.Optimizer, grid_BCHW: Tensor, tags: Tags, loss: str) -> None:
    """One step of the head."""
    grid_BCHW = grid_BCHW.detach().requires_grad_()
    logits = head(grid_BCHW) if tags.candidates_C is None else head.some(grid_BCHW, tags.candidates_C)
    tag_loss(logits, tags, loss).backward()
    clip_gradients(head.parameters(), 5.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def seconds(step: Callable[[], None], device: torch.device) -> float:
    """Time of one step."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    begin = clock()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - begin


def main() -> None:
    """Measure every loss at every K and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concepts", nargs="+", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--negatives", type=int, default=0, help="candidates drawn besides the batch's concepts")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--record", action="store_true", help="append to benchmarks/results/vocabulary_size.csv")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found: dict[str, dict[int, Cost]] = {}
    for loss in options.losses:
        costs = found.setdefault(loss, {})
        for concepts in options.concepts:
            costs[concepts] = cost_of(loss, concepts, options)
            gc.collect()
        Console().print(table_of(loss, costs, options.device))
    for concepts in options.concepts if options.record else []:
        figures: dict[str, str] = {}
        for loss, costs in found.items():
            cost = costs[concepts]
            figures |= {f"{loss} ms": f"{1e3 * cost.seconds:.3g}", f"{loss} MB": f"{cost.step_bytes / 1e6:.3g}"}
            figures |= {f"{loss} rows": f"{cost.candidates:.0f}", "kept MB": f"{cost.kept_bytes / 1e6:.0f}"}
        record.append(
            "vocabulary_size", {"K": concepts, "threads": options.threads, "device": options.device}, figures, seeds=[0]
        )


def table_of(loss: str, costs: dict[int, Cost], device: str) -> Table:
    """The costs of a loss, a row for each K."""
    table = Table(title=f"{loss}: {BATCH} images, {CONCEPTS_AN_IMAGE} concepts an image, width {WIDTH}, {device}")
    for column in ("K", "rows", "ms", "x", "MB", "x", "kept MB", "draw ms"):
        table.add_column(column, justify="right")
    first = next(iter(costs.values()))
    for concepts, cost in costs.items():
        table.add_row(
            f"{concepts:,}",
            f"{cost.candidates:,.0f}",
            f"{1e3 * cost.seconds:.2f}",
            f"{cost.seconds / first.seconds:.2f}",
            f"{cost.step_bytes / 1e6:.1f}",
            f"{cost.step_bytes / first.step_bytes:.2f}",
            f"{cost.kept_bytes / 1e6:,.0f}",
            f"{1e3 * cost.draw_seconds:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
