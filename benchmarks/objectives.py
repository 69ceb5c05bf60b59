"""Objectives and concept sets compared on one budget: same images, views, backbone, steps, probes; each its own rate.

    python benchmarks/objectives.py --captions flickr8k/captions.json --images flickr8k/images \
        --task folder:imagenette --task voc:voc_animals --budget S --seeds 0 1 2 --out runs/budget-S

Runs that are there already are not trained again, and one that was stopped goes on where it stood, so that the command
can be given again with more seeds or learning rates. Of the learning rates the one with the best mean over the tasks at
the first seed is taken for the other seeds. Prints one table: mean over seeds, and the spread (standard deviation).
`--change masks_per_image=8 --change objective_settings.tag_weight=4` changes settings of all rows of the call, in run
folders of their own: for sweeps.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import record
import yaml
from rich.console import Console
from rich.table import Table

import wordsight
from wordsight.corpus import READERS
from wordsight.recipes import merged

BUDGETS: dict[str, dict[str, Any]] = {
    "S": {"image_size": 64, "epochs": 10},
    "M": {"image_size": 112, "epochs": 20},
}
# What a row changes of its recipe.
Row = tuple[str, dict[str, Any]]
OBJECTIVES: dict[str, Row] = {
    "tag prediction": ("tp-postag-resnet18-small", {}),
    "ICMLM tfm": ("icmlm-tfm-resnet18-small", {}),
    "ICMLM att-fc": ("icmlm-attfc-resnet18-small", {}),
    "ICMLM tfm, text prior": (
        "icmlm-tfm-resnet18-small",
        {"objective_settings": {"text_prior": True, "candidates": "maskable"}},
    ),
    "ICMLM att-fc, text prior": (
        "icmlm-attfc-resnet18-small",
        {"objective_settings": {"text_prior": True, "candidates": "maskable"}},
    ),
}


CONCEPTS: dict[str, Row] = {
    "random": ("random-resnet18-small", {}),
    "rotation": ("rotation-resnet18-small", {}),
    "deepercluster": ("deepercluster-resnet18-small", {}),
    "tp-topics": ("tp-topics-resnet18-small", {}),
    "tp-clusters": ("tp-clusters-resnet18-small", {}),
    "tp-postag": ("tp-postag-resnet18-small", {}),
    "tp-words": ("tp-words-resnet18-small", {}),
    "tp-ngrams": ("tp-ngrams-resnet18-small", {}),
    "tp-subwords": ("tp-subwords-resnet18-small", {}),
    "tp-synsets": ("tp-synsets-resnet18-small", {}),
    "joulin": ("joulin-resnet18-small", {}),
    **{
        f"tp-postag, {loss}": ("tp-postag-resnet18-small", {"objective_settings": {"loss": loss}})
        for loss in ("one-drawn", "sigmoid", "asymmetric", "focal", "sampled-softmax")
    },
    "tp-postag, concepts drawn evenly": ("tp-postag-resnet18-small", {"sampling": "concepts"}),
    "icmlm-tfm": ("icmlm-tfm-resnet18-small", {}),
    "icmlm-attfc": ("icmlm-attfc-resnet18-small", {}),
}
TABLES = {"objectives": OBJECTIVES, "concepts": CONCEPTS}
ROWS = {**OBJECTIVES, **CONCEPTS}


@dataclass(frozen=True)
class Scores:
    """A run's score on every task, in percent, and that of the same network with random weights."""

    trained: tuple[float, ...]
    random: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the tasks."""
        return statistics.mean(self.trained)


def score(row: str, lr: float, seed: int, corpus: Path, options: argparse.Namespace) -> Scores:
    """Train one run, where it is not there yet, and probe it on every task."""
    recipe, changes = ROWS[row]
    varied = "".join(f"-{change}" for change in options.change).replace("/", "_")
    folder = Path(options.out) / f"{row.replace(', ', '-').replace(' ', '-').lower()}-lr{lr:g}{varied}-seed{seed}"
    if not (folder / "backbone.safetensors").exists():
        values = merged({**BUDGETS[options.budget], **changes, "lr": lr, "seed": seed}, changed(options.change))
        if recipe.startswith("random"):
            values["epochs"] = 0
        wordsight.pretrain(recipe, corpus=corpus, out=folder, resume=True, **values)
    results = [wordsight.evaluate(folder, task=task, protocols=["logistic"])[0] for task in options.task]
    scores = Scores(
        tuple(result.value for result in results), tuple(float(result.random_weights or 0.0) for result in results)
    )
    Console(stderr=True).print(f"{folder.name}: {' '.join(f'{value:.1f}' for value in scores.trained)}")
    return scores


def changed(changes: list[str]) -> dict[str, Any]:
    """`a.b=1` as nested settings, their values read as YAML."""
    settings: dict[str, Any] = {}
    for change in changes:
        path, _, value = change.partition("=")
        *outer, name = path.split(".")
        inner = settings
        for step in outer:
            inner = inner.setdefault(step, {})
        inner[name] = yaml.safe_load(value)
    return settings


def spread(values: list[float]) -> str:
    """Mean, with the standard deviation where there are several values."""
    text = f"{statistics.mean(values):.1f}"
    return f"{text} ± {statistics.stdev(values):.1f}" if len(values) > 1 else text


def record_row(row: str, lr: float, runs: list[Scores], options: argparse.Namespace) -> None:
    """The mean of each task over the seeds, and its standard deviation where there are several."""
    figures: dict[str, str] = {}
    for task, given in enumerate(options.task):
        mean, _, deviation = spread([run.trained[task] for run in runs]).partition(" ± ")
        name = Path(given.partition(":")[2]).name
        figures |= {name: mean, f"{name}, sd": deviation}
    rate = "" if ROWS[row][0].startswith("random") else f"{lr:g}"
    what = {"budget": options.budget, "row": row, "changes": " ".join(options.change), "lr": rate}
    record.append("objectives", what, figures, seeds=options.seeds)


def main() -> None:
    """Train, probe and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path, required=True, help="captions in COCO's layout")
    parser.add_argument("--images", type=Path, required=True, help="folder of the images")
    parser.add_argument("--task", action="append", required=True, help="folder:DIR, voc:DIR, table:FILE; several")
    parser.add_argument("--budget", choices=BUDGETS, default="S")
    parser.add_argument("--table", choices=TABLES, default="objectives", help="all rows of a table")
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="some rows, of any table")
    parser.add_argument("--lrs", nargs="+", type=float, default=[5e-4, 1e-3, 2e-3])
    parser.add_argument("--change", action="append", default=[], metavar="NAME=VALUE", help="a setting; several")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--record", action="store_true", help="append the rows to benchmarks/results/objectives.csv")
    options = parser.parse_args()
    corpus = options.out / "corpus"
    if not corpus.exists():
        reader = READERS["coco"](options.captions, options.images)  # type: ignore[call-arg]
        wordsight.build_corpus(reader, out=corpus)
    table = Table(title=f"Budget {options.budget}, protocol logistic, {len(options.seeds)} seeds")
    for column in ("objective", "learning rate", *options.task, "mean", "random weights"):
        table.add_column(column)
    for row in options.rows or TABLES[options.table]:
        first = {lr: score(row, lr, options.seeds[0], corpus, options) for lr in options.lrs}
        best = max(first, key=lambda lr: first[lr].mean)
        runs = [first[best], *(score(row, best, seed, corpus, options) for seed in options.seeds[1:])]
        by_task = [spread([run.trained[task] for run in runs]) for task in range(len(options.task))]
        random = spread([statistics.mean(run.random) for run in runs])
        if options.record:
            record_row(row, best, runs, options)
        table.add_row(row, f"{best:g}", *by_task, spread([run.mean for run in runs]), random)
    Console().print(table)


if __name__ == "__main__":
    main()
