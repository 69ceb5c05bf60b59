"""What an objective costs: the time of a training step against the bare backbone's forward, backward and update.

    python benchmarks/step_time.py                      # ResNet-18, 112 px, 64 images, the machine's cores
    python benchmarks/step_time.py --image-size 64

Every step is timed right after a bare one, in rounds, and the ratio is the median over rounds of the two, so that a
machine that slows down slows both. Token features have Flickr8k's shape with the
`minilm` language model: 14 tokens of 384 numbers, 30,522 vocabulary entries, 1,000 concepts of which an image has 15.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import record
import torch
from rich.console import Console
from rich.table import Table

from wordsight.batching.batch import Batch
from wordsight.batching.fields.tags import Tags
from wordsight.batching.masks import MaskedWords
from wordsight.objectives import ConceptFacts, Facts, MaskedFacts, TagFacts, build_objective
from wordsight.vision.backbones import BackboneSettings, build_backbone
from wordsight.vision.views import prepare

TOKENS, WIDTH, VOCABULARY, CONCEPTS, CONCEPTS_AN_IMAGE = 14, 384, 30_522, 1_000, 15
ROWS = [
    ("tag-prediction", 1),
    ("icmlm-tfm", 1),
    ("icmlm-tfm", 2),
    ("icmlm-tfm", 4),
    ("icmlm-tfm", 8),
    ("icmlm-attfc", 1),
    ("icmlm-attfc", 2),
    ("icmlm-attfc", 4),
    ("icmlm-attfc", 8),
]


def random_batch(images: int, masks: int, size: int) -> Batch:
    """A batch of noise in the shape of real ones."""
    words = MaskedWords(
        ids_BmT=torch.zeros(images, masks, TOKENS, dtype=torch.long),
        tokens_BmTD=torch.randn(images, masks, TOKENS, WIDTH).half(),
        present_BmT=torch.ones(images, masks, TOKENS, dtype=torch.bool),
        position_Bm=torch.randint(1, TOKENS - 1, (images, masks)),
        target_Bm=torch.randint(0, VOCABULARY, (images, masks)),
        weight_Bm=torch.ones(images, masks),
    )
    image_P = torch.arange(images).repeat_interleave(CONCEPTS_AN_IMAGE)
    tags = Tags(
        image_P,
        torch.randint(0, CONCEPTS, image_P.shape),
        torch.ones(len(image_P)),
        torch.zeros(images, dtype=torch.int64),
    )
    pixels = torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8)
    return Batch.of_images(pixels, torch.arange(images), fields={"tags": {"postag": tags}, "masked": words})


def step_of(objective: str | None, masks: int, options: argparse.Namespace) -> Callable[[], None]:
    """A function that makes one training step: of an objective, or of the bare backbone."""
    torch.manual_seed(0)
    backbone = build_backbone(options.backbone, BackboneSettings(last_stride=options.last_stride))
    words = MaskedFacts(torch.randn(VOCABULARY, WIDTH) * 0.05)
    facts = Facts({"tags": TagFacts({"postag": ConceptFacts(CONCEPTS)}), "masked": words})
    module = backbone if objective is None else build_objective(objective, {}, backbone, facts)
    module.to(options.device).train()
    backbone.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3, fused=True)
    batch = random_batch(options.batch_size, masks, options.image_size).to(torch.device(options.device))
    images = prepare(batch.images_BCHW)

    def step() -> None:
        with torch.autocast(options.device, dtype=torch.bfloat16, enabled=not options.fp32):
            loss = module(images).float().mean() if objective is None else module(batch)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if options.device == "cuda":
            torch.cuda.synchronize()

    return step


def seconds(step: Callable[[], None]) -> float:
    """Time of one step."""
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def record_rows(ratio: dict[tuple[str, int], float], options: argparse.Namespace) -> None:
    """One row for each objective, a column for each number of masked words."""
    names = ("backbone", "image_size", "batch_size", "device")
    setting = {name.replace("_", " "): getattr(options, name) for name in names}
    for objective in dict.fromkeys(name for name, _ in ratio):
        figures = {f"x, {masks} masked": f"{x:.2f}" for (name, masks), x in ratio.items() if name == objective}
        record.append("step_time", {"objective": objective, **setting}, figures, seeds=[0])


def main() -> None:
    """Time the rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--last-stride", type=int, default=2)
    parser.add_argument("--image-size", type=int, default=112)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--fp32", action="store_true", help="full precision instead of bf16 autocast")
    parser.add_argument("--record", action="store_true", help="append the rows to benchmarks/results/step_time.csv")
    options = parser.parse_args()
    bare = step_of(None, 1, options)
    steps = {row: step_of(*row, options) for row in ROWS}
    for step in [bare, *steps.values()]:
        step()
    times: dict[tuple[str, int], list[float]] = {row: [] for row in ROWS}
    ratios: dict[tuple[str, int], list[float]] = {row: [] for row in ROWS}
    bare_times = []
    for _ in range(options.rounds):
        for row, step in steps.items():
            # The bare step right before each row: neighbours in time meet the same machine.
            bare_times.append(seconds(bare))
            times[row].append(seconds(step))
            ratios[row].append(times[row][-1] / bare_times[-1])
    table = Table(title=f"{options.backbone}, {options.image_size} px, batch {options.batch_size}, {options.device}")
    for column in ("step", "masks an image", "ms", "x bare backbone"):
        table.add_column(column, justify="left" if column == "step" else "right")
    table.add_row("bare backbone", "", f"{1e3 * statistics.median(bare_times):.0f}", "1.00")
    for row in ROWS:
        masks = "" if row[0] == "tag-prediction" else str(row[1])
        table.add_row(
            row[0], masks, f"{1e3 * statistics.median(times[row]):.0f}", f"{statistics.median(ratios[row]):.2f}"
        )
    Console().print(table)
    if options.record:
        record_rows({row: statistics.median(found) for row, found in ratios.items()}, options)


if __name__ == "__main__":
    main()
