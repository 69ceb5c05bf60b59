"""What `fuzz.py` damages: small whole inputs of every kind that wordsight reads, and the commands that read them."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.cli.test_layout_examples import layouts, picture, write  # noqa: E402
from wordsight.cli import main  # noqa: E402
from wordsight.evaluation.protocol import FOLDER as PROTOCOLS  # noqa: E402
from wordsight.training.metrics import MetricsLog  # noqa: E402

BUILD = ("--max-rejected-share", "1", "--threads", "1")
TRAIN_LINE = (
    "--image-size 32 --batch-size 8 --epochs 1 --workers 0 --precision fp32 --device cpu --concepts.size 20 "
    "--backbone-settings.stages 1"
)
LANGUAGE_LINE = "--layers 1 --width 24 --heads 2 --epochs 1 --vocabulary 200 --device cpu --precision fp32"
TRAIN, LANGUAGE = TRAIN_LINE.split(), LANGUAGE_LINE.split()
CAPTIONS = ["a dog on a beach", "a wet brown dog", "a red kite above a hill", "a cat on a mat", "two owls on a branch"]


@dataclass(frozen=True)
class Kind:
    """Files of one kind, and what reads them.

    Args:
        name: Its row in the table.
        folder: What is copied for each input; commands run there.
        commands: Command lines; one is drawn for each input.
        damaged: Patterns of the files to damage.
        writes: Patterns of what the commands may write, besides `out*`.
    """

    name: str
    folder: Path
    commands: tuple[tuple[str, ...], ...]
    damaged: tuple[str, ...]
    writes: tuple[str, ...] = ()


def kinds(seeds: Path) -> list[Kind]:
    """Make the whole inputs of all kinds, wordsight's own artefacts by itself."""
    return [*_images(seeds / "images"), *_layouts(seeds / "layouts"), *_tables(seeds / "tables"), *_own(seeds / "own")]


def _images(folder: Path) -> Iterator[Kind]:
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0)

    def image(mode: str = "RGB") -> Image.Image:
        pixels = noise.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        return Image.fromarray(pixels).resize((32, 24), Image.Resampling.BICUBIC).convert(mode)

    for name, mode in {"1.jpg": "RGB", "2.png": "RGB", "3.gif": "P", "4.webp": "RGB", "5.bmp": "RGB", "6.tif": "RGB",
                       "7.jpg": "CMYK", "8.png": "RGBA", "9.png": "P", "10.png": "1", "11.tiff": "CMYK", "12.jpg": "L",
                       "13.ppm": "RGB", "14.jp2": "RGB", "15.png": "LA", "16.webp": "RGBA"}.items():  # fmt: skip
        image(mode).save(folder / name)
        (folder / name).with_suffix(".txt").write_text(f"{CAPTIONS[len(name) % 5]} number {name}\n")
    Image.fromarray(noise.integers(0, 65_536, (24, 32), dtype=np.uint16)).save(folder / "17.png")
    Image.fromarray(noise.integers(0, 65_536, (24, 32), dtype=np.uint16)).save(
        folder / "18.tif", compression="tiff_lzw"
    )
    turned = Image.Exif()
    turned[0x0112], turned[0x010E] = 6, "a turned photo"
    image().save(folder / "19.jpg", exif=turned)
    image().save(folder / "20.png", exif=turned)
    image().save(folder / "21.gif", save_all=True, append_images=[image(), image()])
    image().save(folder / "22.jpg", progressive=True, quality=50)
    yield Kind("images", folder, (("corpus", "build", "folder", ".", "--out", "../out", *BUILD),), ("*.*",))


def _layouts(folder: Path) -> Iterator[Kind]:
    """The examples of `docs/corpora.md`, as their test makes them."""
    for k, layout in enumerate(layouts()):
        place = folder / str(k)
        for name, text in layout.files.items():
            write(place / name, text)
        for name in layout.images:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(picture(name))
        reader = layout.title.split("`")[1]
        group = {
            "coco": "json", "json": "json", "visual-genome": "json", "table": "tables", "articles": "tables",
            "webdataset": "tars", "huggingface": "tables", "folder": "folders", "voc": "folders",
            "flickr30k-entities": "folders",
        }[reader]  # fmt: skip
        lines = tuple((*words, *BUILD) for words, _ in layout.commands)
        yield Kind(group, place, lines, ("**/*.*",), ("corpora", "corpora/**"))


def _tables(folder: Path) -> Iterator[Kind]:
    """Tables with all that cells may hold, lists of names and words, texts, and files of values."""
    folder.mkdir(parents=True)
    names = [f"{k}.jpg" for k in range(5)]
    for name in names:
        (folder / name).write_bytes(picture(name))
    rows = [
        {"image": name, "caption": text, "label": label, "split": "train", "id": k, "language": "en"}
        for k, (name, text, label) in enumerate(zip(names, CAPTIONS, ["dog", "dog", "kite", "cat", "owl"], strict=True))
    ]
    for name, mark in (("rows.csv", ","), ("rows.tsv", "\t")):
        with (folder / name).open("w", newline="") as file:
            lines = csv.DictWriter(file, list(rows[0]), delimiter=mark)
            lines.writeheader()
            lines.writerows(rows)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    nested = [
        {**row, "image": {"bytes": picture(str(row["image"])), "path": None}, "caption": [{"raw": row["caption"]}]}
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(nested), folder / "nested.parquet")
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
    table = pa.Table.from_pylist(nested)
    with pa.OSFile(str(folder / "rows.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    (folder / "words.token").write_text(
        "".join(f"{name}#0\t{text} .\n" for name, text in zip(names, CAPTIONS, strict=True))
    )
    text = "".join(f"{caption} number {k * k}\n" for k in range(60) for caption in CAPTIONS)
    (folder / "text.txt").write_text(text)
    (folder / "texts.csv").write_text(
        "id,caption\n" + "".join(f"{k},{line}\n" for k, line in enumerate(text.split("\n")))
    )
    (folder / "texts.jsonl").write_text("".join(json.dumps({"caption": line}) + "\n" for line in text.split("\n")))
    (folder / "text.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    (folder / "build.yaml").write_text(
        "min_tokens: 2\nshorter_side: 64\nval_share: 0.2\nimage: image\ncaption: caption\n"
    )
    (folder / "train.yaml").write_text("layers: 1\nwidth: 24\nheads: 2\nepochs: 1\nlr: 0.001\nmask_share: 0.15\n")
    for name in ("rows.csv", "rows.tsv", "rows.jsonl", "nested.parquet", "rows.parquet", "rows.arrow", "words.token"):
        line = ("corpus", "build", "table", name, "--out", "../out", *BUILD)
        yield Kind("tables", folder, (line,), (name,))
    labels = ("corpus", "build", "folder", ".", "--labels", "rows.csv", "--out", "../out", *BUILD)
    yield Kind("tables", folder, (labels,), ("rows.csv",))
    for name in ("text.txt", "text.txt.gz"):
        yield Kind("text", folder, (("language", "train", "--text", name, "--out", "../out", *LANGUAGE),), (name,))
    for name in ("texts.csv", "texts.jsonl"):
        line = ("language", "train", "--text", name, "--column", "caption", "--out", "../out", *LANGUAGE)
        yield Kind("text", folder, (line,), (name,))
    table_line = ("corpus", "build", "table", "rows.csv", "--config", "build.yaml", "--out", "../out", *BUILD)
    yield Kind("yaml", folder, (table_line,), ("build.yaml",))
    language_line = ("language", "train", "--text", "text.txt", "--config", "train.yaml", "--out", "../out", *LANGUAGE)
    yield Kind("yaml", folder, (language_line,), ("train.yaml",))


def _own(folder: Path) -> Iterator[Kind]:
    """A corpus, a concept set, runs, their results and a language model, and what reads them."""
    made = folder.with_name("made")
    made.mkdir(parents=True)
    before = Path.cwd()
    os.chdir(made)
    try:
        _make_own()
    finally:
        os.chdir(before)
    made.rename(folder)  # so that a run of a copy finds the copy's corpus, and not the one that it was trained on
    build = ("concepts", "build", "words", "--corpus", "c", "--size", "20", "--out", "../out")
    train = ("pretrain", "--corpus", "c", "--out", "../out", *TRAIN)
    tags, masked = ("--recipe", "recipe.yaml"), ("--recipe", "masked.yaml")
    of_set = tuple(word for word in train if word not in ("--concepts.size", "20"))
    look = (("report", "r"), ("compare", "r", "s"), ("compare", "r", "s", "--out", "../out.html"))
    probe = ("evaluate", "r", "--task", "folder:task", "--protocol", "mine.yaml", "--again", "true", "--jobs", "1")
    own_writes = (
        "c/concepts",
        "c/concepts/**",
        "c/features",
        "c/features/**",
        "*/report.html",
        "r/results/**",
        "r/attention",
        "r/attention/**",
        "t/**",
        "m/attention",
        "m/attention/**",
    )

    def kind(name: str, commands: tuple[tuple[str, ...], ...], *damaged: str) -> Kind:
        return Kind(name, folder, commands, damaged, own_writes)

    yield kind("corpus", (("corpus", "show", "c", "--rejects", "5"), build, (*train, *tags)), "c/corpus.json", "c/*.*")
    yield kind(
        "corpus",
        (("corpus", "show", "c"), build, ("evaluate", "r", "--corpus", "c", "--protocol", "tags")),
        "c/*.arrow",
    )
    yield kind("concepts", (("concepts", "show", "k"), (*of_set, *tags, "--concepts", "k")), "k/*", "k/concepts.json")
    yield kind(
        "run",
        (*look, probe, ("explain", "words", "r", "below")),
        "r/run.json",
        "r/config.yaml",
        "r/*.*",
        "r/concepts/**/*.*",
    )
    resume = ("pretrain", "--corpus", "c", "--out", "t", *TRAIN, *tags, "--resume", "true")
    yield kind("run", (resume,), "t/*.*", "t/metrics.jsonl", "t/checkpoint.safetensors")
    yield kind("run", (("explain", "photo", "m", "photo.png", "a dog"),), "photo.png", "m/*.safetensors", "m/*.*")
    yield kind("run", look[:1], "r/metrics.jsonl")
    yield kind("results", look, "r/results/**/*.*", "s/results/**/*.json")
    yield kind("language", ((*train, *masked),), "l/*")
    yield kind("yaml", ((*train, *tags),), "recipe.yaml")
    yield kind("yaml", (probe,), "mine.yaml")
    yield kind("text", (("coverage", "c", "--classes", "classes.txt"), ("coverage", "c", "--classes", "classes.csv"),
                        ("explain", "words", "r", "--similarity", "similar.tsv")),
               "classes.*", "similar.tsv")  # fmt: skip


def _make_own() -> None:
    def run(line: str, *more: str) -> None:
        if main([*line.split(), *more]) != 0:
            raise SystemExit(f"a whole input can't be made: {line}")

    run("corpus build pictures --count 40 --val-count 0 --test-count 12 --size 32 --out c")
    run("concepts build words --corpus c --size 20 --out k")
    recipe = {
        "base": "tp-words-resnet18-small",
        "concepts": {"kind": "words", "size": 20, "stop": 2},
        "lr": 0.001,
        "view": {"flip": 0.5},
        "optimizer": {"momentum": 0.9, "name": "adamw"},
        "objective_settings": {"loss": "softmax"},
    }
    Path("recipe.yaml").write_text(yaml.safe_dump(recipe))
    masked = {"base": "icmlm-attfc-resnet18-small", "language": "l", "concepts": {"kind": "words", "size": 20}}
    Path("masked.yaml").write_text(yaml.safe_dump(masked))
    for out in "rs":
        run(f"pretrain --recipe recipe.yaml --corpus c --out {out} --seed {ord(out)}", *TRAIN)
    with patch.object(MetricsLog, "add", lambda log, losses: signal.raise_signal(signal.SIGTERM)):
        main([*["pretrain", "--recipe", "recipe.yaml", "--corpus", "c", "--out", "t"], *TRAIN])
    if not Path("t/checkpoint.safetensors").is_file():
        raise SystemExit("a run that was stopped can't be made")
    Path("t/metrics.jsonl").write_text('{"step": 1, "loss": 3.0, "images_per_second": 9.5}\n')
    Path("mine.yaml").write_text((PROTOCOLS / "knn.yaml").read_text())
    for name in ("train/a/1.png", "train/a/2.jpg", "train/b/3.png", "train/b/4.jpg", "test/a/5.png", "test/b/6.png"):
        Path("task", name).parent.mkdir(parents=True, exist_ok=True)
        Path("task", name).write_bytes(picture(name))
    for out in "rs":
        run(f"evaluate {out} --task folder:task --protocol knn --jobs 1")
        run(f"evaluate {out} --corpus c --protocol tags --jobs 1")
    run("language train --text ../tables/text.txt --out l", *LANGUAGE)
    run("pretrain --recipe masked.yaml --corpus c --out m", *TRAIN)
    Path("photo.png").write_bytes(picture("photo.png"))
    Path("classes.txt").write_text("dog\ncat\nred kite\n")
    Path("classes.csv").write_text("index,name,synset\n0,dog,n1\n1,cat,n2\n")
    Path("similar.tsv").write_text("is\tare\t5.2\nbelow\tleft\t3\nand\tof\t1.5\none\tan\t2\n")
