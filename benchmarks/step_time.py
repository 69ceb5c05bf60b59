"""What an objective costs: the time of a training step against the bare backbone's forward, backward and update.

    python benchmarks/step_time.py                      # ResNet-18, 112 px, 64 images, the machine's cores
    python benchmarks/step_time.py --image-size 64 --rows clip siglip
    python benchmarks/step_time.py --open-clip          # CLIP's step against open_clip's own, images a second

Every step is timed right after a bare one, in rounds, and the ratio is the median over rounds of the two, so that a
machine that slows down slows both. Token features have Flickr8k's shape with the
`minilm` language model: 14 tokens of 384 numbers, 30,522 vocabulary entries, 1,000 concepts of which an image has 15.
Where the text tower is the frozen language model, its vector of each caption is kept, as it is in a run.

open_clip's step is its own `train_one_epoch` with its `ClipLoss`, for an epoch of one batch: the same towers with the
same weights, the same batch, AdamW and precision, in turns with ours in one process. Its images come normalised, ours
as bytes, whose normalisation is timed with the step.
"""

from __future__ import annotations

import argparse
import logging
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import record
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.fields.tags import Tags
from wordsight.batching.fields.texts import TextFacts, Texts
from wordsight.batching.masks import MaskedWords
from wordsight.language.model import load_language_model
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.wordpiece import SPECIAL
from wordsight.objectives import ConceptFacts, Facts, MaskedFacts, TagFacts, build_objective
from wordsight.objectives.two_towers import TwoTowers
from wordsight.vision.backbones import BackboneSettings, build_backbone
from wordsight.vision.views import prepare

TOKENS, WIDTH, VOCABULARY, CONCEPTS, CONCEPTS_AN_IMAGE = 14, 384, 30_522, 1_000, 15
# Tokens of a vocabulary that is made from the captions, as recipes have it.
OWN_VOCABULARY = 5_000
FROZEN = {"text_tower": {"kind": "frozen"}}
SCRATCH = {"text_tower": {"kind": "scratch"}}


@dataclass(frozen=True)
class Row:
    """A step to be timed: an objective, its settings, and how many words of an image are masked."""

    objective: str
    masks: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


ROWS = {
    "tag-prediction": [Row("tag-prediction", 1)],
    "icmlm-tfm": [Row("icmlm-tfm", masks) for masks in (1, 2, 4, 8)],
    "icmlm-attfc": [Row("icmlm-attfc", masks) for masks in (1, 2, 4, 8)],
    "icmlm-look": [Row("icmlm-look", masks) for masks in (1, 2, 4, 8)],
    "clip": [Row("clip", settings=FROZEN)],
    "siglip": [Row("siglip", settings=FROZEN)],
    "clip-lite": [Row("clip-lite", settings=FROZEN)],
    "clip, text tower from scratch": [Row("clip", settings=SCRATCH)],
    "filip, text tower from scratch": [Row("filip", settings=SCRATCH)],
    "coca": [Row("coca")],
    "masked-lm": [Row("masked-lm")],
    "captioning, left to right": [Row("captioning", settings={"order": "left-to-right", "layers": 1})],
    "captioning, both ways": [Row("captioning", settings={"order": "both", "layers": 1})],
}


def random_batch(images: int, masks: int, size: int) -> Batch:
    """A batch of noise in the shape of real ones."""
    masks = max(1, masks)
    words = MaskedWords(
        ids_BmT=torch.zeros(images, masks, TOKENS, dtype=torch.long),
        tokens_BmTD=torch.randn(images, masks, TOKENS, WIDTH).half(),
        present_BmT=torch.ones(images, masks, TOKENS, dtype=torch.bool),
        position_Bm=torch.randint(1, TOKENS - 1, (images, masks)),
        target_Bm=torch.randint(0, CONCEPTS, (images, masks)),
        weight_Bm=torch.ones(images, masks),
        shown_BS=torch.randint(0, CONCEPTS, (images, CONCEPTS_AN_IMAGE)),
    )
    image_P = torch.arange(images).repeat_interleave(CONCEPTS_AN_IMAGE)
    tags = Tags(
        image_P,
        torch.randint(0, CONCEPTS, image_P.shape),
        torch.ones(len(image_P)),
        torch.zeros(images, dtype=torch.int64),
    )
    texts = Texts(
        ids_BcT=torch.randint(len(SPECIAL), OWN_VOCABULARY, (images, 1, TOKENS)),
        present_BcT=torch.ones(images, 1, TOKENS, dtype=torch.bool),
        weight_Bc=torch.ones(images, 1),
        text_Bc=torch.arange(images)[:, None],
        chance_BcT3=torch.rand(images, 1, TOKENS, 3),
        vectors_BcD=torch.randn(images, 1, WIDTH).half(),
    )
    pixels = torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8)
    fields = {"tags": {"postag": tags}, "masked": words, "texts": texts}
    return Batch.of_images(pixels, torch.arange(images), fields=fields)


def facts_of(row: Row) -> Facts:
    """What an objective has to know: of masked words, tags and captions."""
    frozen = row.settings.get("text_tower", {}).get("kind") == "frozen"
    language = load_language_model("minilm") if frozen else None
    own = [*SPECIAL, *(f"word{number}" for number in range(OWN_VOCABULARY - len(SPECIAL)))]
    tokenizer = TextTokenizer.of_vocabulary(own, max_tokens=30) if language is None else language.text_tokenizer(30)
    words = MaskedFacts(torch.randn(VOCABULARY, WIDTH) * 0.05, maskable=torch.arange(CONCEPTS))
    tags = TagFacts({"postag": ConceptFacts(CONCEPTS)})
    return Facts({"tags": tags, "masked": words, "texts": TextFacts(tokenizer, language)})


def step_of(row: Row | None, options: argparse.Namespace) -> Callable[[], None]:
    """A function that makes one training step: of an objective, or of the bare backbone."""
    torch.manual_seed(0)
    backbone = build_backbone(options.backbone, BackboneSettings(last_stride=options.last_stride))
    built = None if row is None else build_objective(row.objective, row.settings, backbone, facts_of(row))
    batch = random_batch(options.batch_size, 0 if row is None else row.masks, options.image_size)
    return train_step(backbone if built is None else built, batch, options)


def train_step(module: nn.Module, batch: Batch, options: argparse.Namespace) -> Callable[[], None]:
    """One training step of an objective, or of a bare backbone."""
    bare = not hasattr(module, "backbone")
    module.to(options.device).train()
    (module if bare else module.backbone).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3, fused=True)
    batch = batch.to(torch.device(options.device))
    images = prepare(batch.images_BCHW)

    def step() -> None:
        with torch.autocast(options.device, dtype=torch.bfloat16, enabled=not options.fp32):
            loss = module(images).float().mean() if bare else module(batch)["loss"]
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


def in_turns(first: Callable[[], None], second: Callable[[], None], rounds: int) -> list[tuple[float, float]]:
    """The times of two steps that take turns."""
    return [(seconds(first), seconds(second)) for _ in range(rounds)]


class OpenClipTowers(nn.Module):
    """An objective's towers as open_clip's training calls a model: images and token ids in, unit vectors out."""

    def __init__(self, objective: TwoTowers) -> None:
        super().__init__()
        self.objective = objective
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, images_BCHW: Tensor, ids_BT: Tensor) -> dict[str, Tensor]:
        images_BZ = self.objective.embed_images(images_BCHW)
        texts_BZ = self.objective.text_tower(ids_BT, ids_BT != 0).pooled_BZ
        unit = nn.functional.normalize
        scale = self.logit_scale.exp()
        return {
            "image_features": unit(images_BZ, dim=-1),
            "text_features": unit(texts_BZ, dim=-1),
            "logit_scale": scale,
        }


def open_clip_step(options: argparse.Namespace, batch: Batch) -> Callable[[], None]:
    """One call of open_clip's `train_one_epoch`, of an epoch of one batch."""
    from open_clip.loss import ClipLoss
    from open_clip_train.train import train_one_epoch

    logging.disable(logging.INFO)
    torch.manual_seed(0)
    row = Row("clip", settings=SCRATCH)
    backbone = build_backbone(options.backbone, BackboneSettings(last_stride=options.last_stride))
    objective = build_objective("clip", row.settings, backbone, facts_of(row))
    assert isinstance(objective, TwoTowers)
    model = OpenClipTowers(objective).to(options.device)
    backbone.to(memory_format=torch.channels_last)
    # The objective's own temperature has no part in its towers.
    named = [(name, each) for name, each in model.named_parameters() if name != "objective.log_scale"]
    optimizer = torch.optim.AdamW([each for _, each in named], 1e-3, fused=True)
    texts = batch.of(Texts)

    class OneBatch(list[tuple[Tensor, Tensor]]):
        num_batches, num_samples = 1, len(batch.examples_B)

    loader = OneBatch([(prepare(batch.images_BCHW), texts.ids_BcT[:, 0])])
    args = SimpleNamespace(
        device=options.device,
        precision="fp32" if options.fp32 else "amp_bf16",
        distill=False,
        accum_freq=1,
        skip_scheduler=True,
        grad_clip_norm=None,
        horovod=False,
        rank=0,
        log_every_n_steps=100,
        batch_size=len(batch.examples_B),
        world_size=1,
        wandb=False,
    )
    data = {"train": SimpleNamespace(dataloader=loader, set_epoch=lambda epoch: None)}
    loss = ClipLoss()

    def step() -> None:
        train_one_epoch(model, data, loss, 0, optimizer, None, None, None, args)
        if options.device == "cuda":
            torch.cuda.synchronize()

    return step


def against_open_clip(options: argparse.Namespace) -> None:
    """CLIP's step and open_clip's in turns; prints and records images a second of both."""
    batch = random_batch(options.batch_size, 0, options.image_size)
    ours, theirs = step_of(Row("clip", settings=SCRATCH), options), open_clip_step(options, batch)
    for step in (ours, theirs):
        step()
    times = in_turns(theirs, ours, options.rounds)
    their_images, our_images = (options.batch_size / statistics.median(each) for each in zip(*times, strict=True))
    ratio = statistics.median(other / mine for other, mine in times)
    Console().print(
        f"{options.backbone}, {options.image_size} px, batch {options.batch_size}, {options.device}: ours "
        f"{our_images:.0f} images a second, open_clip's {their_images:.0f}; {ratio:.2f}x"
    )
    if options.record:
        figures = {"images a second": f"{our_images:.0f}", "open_clip": f"{their_images:.0f}"}
        what = {"objective": "clip, against open_clip", **_setting(options)}
        record.append("step_time", what, {**figures, "x open_clip": f"{ratio:.2f}"}, seeds=[0])


def _setting(options: argparse.Namespace) -> dict[str, object]:
    names = ("backbone", "image_size", "batch_size", "device")
    return {name.replace("_", " "): getattr(options, name) for name in names}


def record_rows(ratios: Mapping[str, Mapping[int, float]], options: argparse.Namespace) -> None:
    """One row for each objective, with a column for each number of masked words, or one where none are."""
    for name, of_masks in ratios.items():
        figures = {f"x, {masks} masked" if masks else "x": f"{x:.2f}" for masks, x in of_masks.items()}
        record.append("step_time", {"objective": name, **_setting(options)}, figures, seeds=[0])


def main() -> None:
    """Time the rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--open-clip", action="store_true", help="CLIP's step against open_clip's own, and no rows")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--last-stride", type=int, default=2)
    parser.add_argument("--image-size", type=int, default=112)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--fp32", action="store_true", help="full precision instead of bf16 autocast")
    parser.add_argument("--record", action="store_true", help="append the rows to benchmarks/results/step_time.csv")
    options = parser.parse_args()
    if options.open_clip:
        against_open_clip(options)
        return
    bare = step_of(None, options)
    table = Table(title=f"{options.backbone}, {options.image_size} px, batch {options.batch_size}, {options.device}")
    for column in ("step", "masks an image", "ms", "x bare backbone"):
        table.add_column(column, justify="left" if column == "step" else "right")
    ratios: dict[str, dict[int, float]] = {}
    bare_times = []
    for name in options.rows:
        for row in ROWS[name]:
            step = step_of(row, options)
            for each in (bare, step):
                each()
            # The bare step right before each of the row's: neighbours in time meet the same machine.
            times = in_turns(bare, step, options.rounds)
            bare_times += [other for other, _ in times]
            ratio = statistics.median(mine / other for other, mine in times)
            ratios.setdefault(name, {})[row.masks] = ratio
            milliseconds = 1e3 * statistics.median(mine for _, mine in times)
            table.add_row(name, str(row.masks or ""), f"{milliseconds:.0f}", f"{ratio:.2f}")
    table.add_row("bare backbone", "", f"{1e3 * statistics.median(bare_times):.0f}", "1.00")
    Console().print(table)
    if options.record:
        record_rows(ratios, options)


if __name__ == "__main__":
    main()
