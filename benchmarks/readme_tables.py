"""The measured tables of README.md and docs/, made from `benchmarks/results/*.csv`.

    python benchmarks/readme_tables.py            # writes them anew
    python benchmarks/readme_tables.py --check    # ends with 1 where one is not what the files say

A table stands between `<!-- results: NAME -->` and `<!-- end of results -->`; what NAME shows is a line of `TABLES`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from record import RESULTS, rows_of

ROOT = Path(__file__).parents[1]
Row = dict[str, str]


@dataclass(frozen=True)
class Shown:
    """What a table shows of a file.

    Args:
        file: The file of results, without its ending.
        what: Columns that tell one row from another; of several rows of the same thing the latest is shown.
        columns: The table's headings, each with its cells: `{NAME}` is a row's value, `{NAME:,}` the number in that
            format, `{seeds:count}` how many seeds. A part in `[[...]]` is left out where one of its values is empty,
            and the whole cell where one outside of such a part is.
        keep: Rows to show; all of them by default.
        order: What rows are ordered by; as they were first recorded by default.
        turned: Whether rows stand as columns.
    """

    file: str
    what: tuple[str, ...]
    columns: Mapping[str, str]
    keep: Callable[[Row], bool] = lambda row: True
    order: Callable[[Row], float] = field(default=lambda row: 0.0)
    turned: bool = False


def _both(row: Row) -> float:
    """Downwards by the mean of both tasks, whatever trains nothing last."""
    return 100.0 * (row["row"] == "random") - float(row["imagenette"]) - float(row["voc_animals"])


def _pair(task: str) -> str:
    return f"{{{task}}}[[ ± {{{task}, sd}}]]"


def _beside(task: str) -> str:
    return f"{{{task}}}[[ ({{{task}, random}})]]"


_PROBES = {"imagenette": _pair("imagenette"), "VOC animals": _pair("voc_animals")}
_WORDS = ("nouns", "adjectives", "verbs", "1-10", "11-100", "101-1000")
_STEPS = {"epoch": "{epoch}", "held-out accuracy, %": "{accuracy}", "held-out loss": "{loss}"}
TABLES = {
    "demo": Shown(
        "demo",
        ("asked", "protocol"),
        {
            "asked of what it has not seen": "{asked}",
            "protocol": "`{protocol}`",
            "wordsight": "{wordsight}[[ ± {standard error}]]",
            "beside it": "[[caption alone {caption alone}; wrong image {wrong image}]]"
            "[[a random place {a random place}; the centre {the centre}]][[random weights {random weights}]]",
        },
    ),
    "step-time": Shown(
        "step_time",
        ("objective",),
        {
            "masked words an image": "`{objective}`",
            **{f"{m}": f"{{x, {m} masked}}x" for m in (1, 2, 4, 8)},
            "none": "{x}x",
        },
        lambda row: (
            (row["backbone"], row["image size"], row["device"]) == ("resnet18", "112", "cpu")
            and not row.get("x open_clip")
        ),
    ),
    "open-clip-step": Shown(
        "step_time",
        ("objective", "backbone", "image size", "batch size", "device"),
        {
            "step": "{backbone}, {image size} px, {batch size} images",
            "ours, images a second": "{images a second}",
            "open_clip's": "{open_clip}",
            "x": "{x open_clip}",
        },
        lambda row: bool(row.get("x open_clip")),
    ),
    "budget-S": Shown(
        "objectives",
        ("budget", "row", "changes", "lr"),
        {"row": "`{row}`", **_PROBES, "seeds": "{seeds:count}"},
        lambda row: row["budget"] == "S" and row["lr"] in ("0.0005", "") and not row["changes"],
        _both,
    ),
    "budget-S-others": Shown(
        "objectives",
        ("budget", "row", "changes", "lr"),
        {"row": "`{row}`[[, `{changes}`]]", "rate": "{lr}", **_PROBES, "seeds": "{seeds:count}"},
        lambda row: row["budget"] == "S" and row["lr"] != "" and (row["lr"] != "0.0005" or row["changes"] != ""),
    ),
    "budget-M": Shown(
        "objectives",
        ("budget", "row", "changes", "lr"),
        {"row": "`{row}`", "rate": "{lr}", **_PROBES, "seeds": "{seeds:count}"},
        lambda row: row["budget"] == "M",
        _both,
    ),
    "hidden-words": Shown(
        "masked_words",
        ("split", "budget", "head"),
        {"head": "{head}", "budget": "{budget}", "hidden words": "{top-1}", "with the wrong image": "{wrong image}"},
        lambda row: row["split"] == "test" and row["head"] != "most frequent",
    ),
    "masked-words": Shown(
        "masked_words",
        ("split", "budget", "head"),
        {
            "split": "{split}",
            "head": "{head}",
            "top-1": "{top-1}",
            "top-5": "{top-5}",
            **{name: f"{{{name}}}" for name in _WORDS},
            "wrong image": "{wrong image}",
        },
        lambda row: row["budget"] == "M",
    ),
    "protocols": Shown(
        "protocols",
        ("run", "protocol"),
        {
            "run": "`{run}`",
            "protocol": "`{protocol}`",
            "imagenette": _beside("imagenette"),
            "cifar10": _beside("cifar10"),
            "VOC animals": _beside("voc_animals"),
            "ucm, 17 labels": _beside("ucm labels"),
            "ucm, 21 classes": _beside("ucm classes"),
        },
    ),
    "fine-tune": Shown(
        "fine_tune",
        ("run", "share"),
        {"labels": "{share}", "trained further": "{imagenette}", "from scratch": "{imagenette, scratch}"},
    ),
    "retrieval": Shown(
        "retrieval",
        ("run",),
        {"run": "{run}", **{name: f"{{{name}}}" for name in ("R@1", "R@5", "R@10", "median rank")}},
    ),
    "solvers": Shown(
        "solvers",
        ("problems", "width", "against", "by"),
        {
            "": "{problems}, {width:,} wide",
            "against": "{against}",
            "by": "{by}",
            "ours, s": "{ours}",
            "scikit-learn, s": "{scikit-learn:,}",
            "x": "{x}",
            "objective": "{objective}",
            "average precision": "[[within {average precision} points]]",
        },
        lambda row: row["rows"] == "5011",
    ),
    "concepts": Shown(
        "concepts",
        ("row",),
        {
            "": "{row}",
            "processor seconds": "{processor s}",
            "x direct": "{x processor s}",
            "memory, x direct": "{x MB}",
            "a second": "{rate}",
        },
        lambda row: row["captions"] == "200000",
        turned=True,
    ),
    "vocabulary-size": Shown(
        "vocabulary_size",
        ("K",),
        {
            "K": "{K:,}",
            "`softmax`, ms": "{softmax ms}",
            "MB held in a step": "{softmax MB}",
            "`sampled-softmax`, rows": "{sampled-softmax rows}",
            "ms": "{sampled-softmax ms}",
            "MB": "{sampled-softmax MB}",
            "MB kept, either": "{kept MB}",
        },
        lambda row: (row["threads"], row["device"]) == ("1", "cpu"),
    ),
    "bilingual": Shown(
        "bilingual",
        ("vocabulary", "nearness"),
        {
            "vocabulary": "{vocabulary}",
            "nearness": "{nearness}",
            "en to de": "{en-de @1} / {en-de @5}",
            "de to en": "{de-en @1} / {de-en @5}",
        },
    ),
    "language-de": Shown(
        "language_model", ("text", "step"), {"step": "{step:,}", **_STEPS}, lambda row: row["text"] == "de", turned=True
    ),
    "language-en": Shown(
        "language_model", ("text", "step"), {"step": "{step:,}", **_STEPS}, lambda row: row["text"] == "en", turned=True
    ),
}


def cell(form: str, row: Row) -> str:
    """A cell of a row, by its form."""

    def value(found: re.Match[str]) -> str:
        name, _, format_as = found[1].partition(":")
        said = row.get(name, "")
        if format_as == "count":
            return str(len(said.split()) or "")
        return format(float(said) if "." in said else int(said), format_as) if format_as and said else said

    def filled(text: str) -> str:
        """The text with its values; nothing where one is empty."""
        names = re.findall(r"\{([^}]+)\}", text)
        missing = any(row.get(name.partition(":")[0], "") == "" for name in names)
        return "" if missing else re.sub(r"\{([^}]+)\}", value, text)

    outside, *parts = re.split(r"\[\[(.*?)\]\]", form)
    if outside and not filled(outside):
        return ""
    return filled(outside) + "".join(filled(part) for part in parts)


def table(name: str, folder: Path = RESULTS) -> str:
    """A table in Markdown."""
    shown = TABLES[name]
    latest: dict[tuple[str, ...], Row] = {}
    for row in filter(shown.keep, rows_of(shown.file, folder)):
        latest[tuple(row[key] for key in shown.what)] = row
    rows = sorted(latest.values(), key=shown.order)
    # A column that no row has a figure for is left out.
    cells = {head: [cell(form, row) for row in rows] for head, form in shown.columns.items()}
    lines = [[head, *column] for head, column in cells.items() if any(column)]
    if not shown.turned:
        lines = [list(line) for line in zip(*lines, strict=True)]
    made = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(re.sub(r"\|  (?=\|)", "| ", one) for one in [made[0], "|---" * len(lines[0]) + "|", *made[1:]])


_PLACE = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(?=<!-- end of results -->)", re.DOTALL)


def with_tables(text: str, folder: Path = RESULTS) -> str:
    """A text with its tables as the files of results have them."""
    return _PLACE.sub(lambda found: found[1] + table(found[2], folder) + "\n", text)


def main() -> None:
    """Write the tables, or say which differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 where a table differs")
    options = parser.parse_args()
    differ = []
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = file.read_text("utf-8")
        if (made := with_tables(text)) != text:
            differ.append(str(file.relative_to(ROOT)))
            if not options.check:
                file.write_text(made, "utf-8")
    for name in differ:
        sys.stdout.write(f"{name}: {'differs from benchmarks/results' if options.check else 'written'}\n")
    sys.exit(options.check and bool(differ))


if __name__ == "__main__":
    main()
