"""The verb `demo`: the whole job on the embedded pictures, from corpus to report, with the verbs beside it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.api.corpus import build_corpus
from wordsight.api.evaluate import evaluate
from wordsight.api.explain import explain_photo
from wordsight.api.pretrain import pretrain
from wordsight.api.report import report
from wordsight.atomic import refuse_existing, remove_folder, sweep_within
from wordsight.corpus import READERS, Corpus
from wordsight.corpus.pictures.catalogue import ATTRIBUTION
from wordsight.locks import sole_writer
from wordsight.progress import console

# What computes with torch is imported by the verb that needs it.
if TYPE_CHECKING:
    from wordsight.evaluation import Result
    from wordsight.training.run import Run

SCENES, HELD_OUT, SIDE = 20_000, 500, 64
EXPLAINED = 3

# Objects a third to a half of the picture wide, turned by up to 15 degrees; they may hide up to 30 % of each other.
LAYOUT = {"size": SIDE, "smallest": 0.34, "largest": 0.5, "tilt": 15.0, "mirrored": 0.0}


def demo(
    out: Path | str = Path("runs/demo"), *, overwrite: bool = False, scenes: int = SCENES, held_out: int = HELD_OUT
) -> Run:
    """Make captioned scenes, train on them, measure, draw where the network looks, and write the report.

    Args:
        out: The run folder to make; its corpora are made beside it, in OUT-corpora/.
        overwrite: Replace the demonstration that is there already.
        scenes: How many scenes are trained on.
        held_out: How many new scenes it is measured on.

    Raises:
        InputError: When ``out`` exists and is not to be replaced, or the packages of the extra ``offline`` are absent.

    Examples:
        >>> import wordsight
        >>> run = wordsight.demo("runs/demo", overwrite=True)  # doctest: +SKIP
    """
    from wordsight.evaluation import print_results

    started = time.monotonic()
    out = Path(out)
    _make_room(out, overwrite)
    scenes_corpus, drawings = _corpora(out, scenes, held_out)
    _say(f"2/5 training: {out}")
    run = pretrain("demo", corpus=scenes_corpus, out=out)
    _say("3/5 measuring: masked words and pointing on new scenes, a probe on drawings that no caption named")
    results = _measure(run, scenes_corpus, drawings)
    _say(f"4/5 drawing where it looks: {out / 'attention'}")
    _explain(run, scenes_corpus)
    _say(f"5/5 writing the report: {out / 'report.html'}")
    made = report(run)
    print_results(results)
    minutes = (time.monotonic() - started) / 60
    print(f"made {made} in {minutes:.1f} minutes: open it in a browser; next: wordsight pretrain --help")
    print(ATTRIBUTION)
    return run


def _make_room(out: Path, overwrite: bool) -> None:
    """Remove an earlier demonstration; never a folder that is none."""
    with sole_writer(out):
        sweep_within(out)
        refuse_existing(out, overwrite=overwrite, holds="config.yaml")
        if out.exists():
            remove_folder(out)


def _corpora(out: Path, scenes: int, held_out: int) -> tuple[Corpus, Corpus]:
    """The captioned scenes, and the drawings that no caption names as a task of 60 classes."""
    folder = out.with_name(out.name + "-corpora")
    _say(f"1/5 composing scenes of OpenMoji drawings: {folder}")
    pictures = READERS["pictures"]
    captioned = pictures(count=scenes, val_count=0, test_count=held_out, captions=1, **LAYOUT)  # type: ignore[call-arg]
    unseen = pictures(task="unseen", **LAYOUT)  # type: ignore[call-arg]
    return (
        build_corpus(captioned, out=folder / "scenes", overwrite=True),
        build_corpus(unseen, out=folder / "unseen-drawings", overwrite=True),
    )


def _measure(run: Run, scenes: Corpus, drawings: Corpus) -> list[Result]:
    return [
        *evaluate(run, corpus=scenes, split="test", protocols=["masked-words", "pointing"]),
        *evaluate(run, task=f"corpus:{drawings.path}", protocols=["logistic"]),
    ]


def _explain(run: Run, scenes: Corpus) -> None:
    """Draw the first new scenes that hold several objects."""
    crowded = [i for i in scenes.indices("test").tolist() if len({box.name for box in scenes.boxes(i)}) > 1]
    for i in crowded[:EXPLAINED]:
        photo = run.path / "attention" / scenes.id(i)
        photo.parent.mkdir(exist_ok=True)
        photo.write_bytes(scenes.image_bytes(i))
        explain_photo(run, photo, scenes.captions(i)[0])


def _say(line: str) -> None:
    console.print(line, markup=False)
