"""The verb `evaluate`: how good a backbone is, whoever trained it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wordsight.cli.verb import Verb
from wordsight.errors import some_done
from wordsight.ranges import ProcessesOrAuto, SideOrNetworks

if TYPE_CHECKING:
    from wordsight.cli.arguments import Source, Values


@dataclass(frozen=True)
class EvaluateArguments:
    """What is measured, and on what.

    Args:
        run: The run folder; or a network: timm:NAME or torchvision:NAME with random weights, NAME@pretrained with
            published ones, NAME@FILE with those of a file, NAME@FILE#student with one of several networks in it.
        task: Labelled images for a probe of the backbone, with commas between several: folder:DIR (train/ and val/ or
            test/ with class folders in them), voc:DIR, table:FILE, multilabel:FILE, coco-labels:FILE, torchvision:NAME,
            corpus:FOLDER.
        corpus: The folder of a corpus of captioned images, for what is asked of the heads.
        split: The split of that corpus, or several with commas between them, each with results of its own; by default
            test where there are splits, else all.
        protocol: How it is measured, with commas between several: a name (logistic, ridge, knn, few-shot, zero-shot,
            ... for a task; masked-words, pointing, tags, retrieval for a corpus), or a YAML file of one's own. By
            default logistic for a task, and for a corpus masked-words, or tags for a run that masks no words.
        image: Of a table, the column of image files.
        label: Of a table, the column of labels.
        images: Of a table or of COCO's labels, the folder that the image files are relative to.
        separator: Of a table, what stands between several labels of an image.
        test: Of COCO's labels, the file of the test images.
        names: Of class folders, a file of the classes' names (CSV, JSON or TXT): of n01440764 it makes tench.
        root: Of torchvision's datasets, the folder that they lie in.
        download: Fetch a dataset of torchvision that is not there.
        image_size: Side of the view in pixels, where the protocol pins none; 0 for what the run was trained with, or
            224 for other networks.
        framing: How an image that is not square becomes one: crop, its centre square; squash, all of it scaled to a
            square; pad, all of it with borders.
        pixels: Mean and spread that the images of a network by name are normalised by: imagenet; published, those that
            its published weights were trained with; auto for the latter with @pretrained, for those that are written
            with a file of weights, else ImageNet's.
        out: Folder of the results; by default results in the run folder, and evaluated/NAME for other networks.
        again: Measure also what was measured before on the same weights and data.
        jobs: How many tasks are measured at a time; 0 for one for every four cores and 4 GB of free memory.
        device: Where to compute.
    """

    run: str
    task: tuple[str, ...] = ()
    corpus: Path | None = None
    split: tuple[str, ...] = ()
    protocol: tuple[str, ...] = ()
    image: str | None = None
    label: str | None = None
    images: Path | None = None
    separator: str | None = None
    test: Path | None = None
    names: Path | None = None
    root: Path | None = None
    download: bool | None = None
    image_size: SideOrNetworks = 0
    framing: Literal["crop", "squash", "pad"] = "crop"
    pixels: Literal["auto", "imagenet", "published"] = "auto"
    out: Path | None = None
    again: bool = False
    jobs: ProcessesOrAuto = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"


def _evaluate_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(EvaluateArguments)]


def _evaluate(values: Values) -> None:
    from wordsight import api
    from wordsight.api.evaluate import results_folder
    from wordsight.evaluation import print_results
    from wordsight.evaluation.results.result import result_file

    given = values.of(EvaluateArguments)
    run, task = given.pop("run"), given.pop("task")
    protocols = given.pop("protocol")
    results, failed = some_done(lambda: api.evaluate(run, task=task or None, protocols=protocols, **given))
    print_results(results)
    folder = results_folder(run, values["out"])
    files = [str(result_file(folder, one.task, one.protocol, one.part)) for one in results]
    wrote = ", ".join(files) if len(files) < 4 else f"{len(files)} results in {folder}"
    own = Path(run).is_dir() and values["out"] is None
    following = f"wordsight report {run}" if own else f"wordsight compare {folder} runs/*"
    print(f"wrote {wrote}; next: {following}")
    if failed is not None:
        raise failed


EVALUATE = Verb(
    summary="Measure a run: probes of its backbone on labelled images, or what its heads say of captioned ones.",
    example="wordsight evaluate runs/a --task folder:imagenette --protocol logistic",
    sources=_evaluate_sources,
    call=_evaluate,
    interrupted="results that were finished are kept: run the same command again",
)
