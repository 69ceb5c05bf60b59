"""The verbs about runs: `pretrain`, `evaluate`, `explain photo`, `report`, and `demo`, which is all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wordsight.cli.verb import Group, Verb, kept_checkpoint
from wordsight.errors import some_done
from wordsight.ranges import AtLeastOne, Count, MapCount, Perplexity, ProcessesOrAuto, Seed, SideOrNetworks

if TYPE_CHECKING:
    from wordsight.cli.arguments import Source, Values


@dataclass(frozen=True)
class PretrainArguments:
    """What a run is trained on, and where it goes.

    Args:
        corpus: The corpus folder.
        out: The run folder to make.
        split: The split to train on, or several with commas between them; by default train where there are splits,
            else all.
        resume: Go on from the checkpoint in the run folder, to the same numbers as if it had never stopped.
    """

    corpus: Path = field(kw_only=True)
    out: Path = field(kw_only=True)
    split: str | None = None
    resume: bool = False


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


@dataclass(frozen=True)
class ExplainPhotoArguments:
    """What is explained.

    Args:
        run: The run folder.
        photo: The photo's file.
        caption: A sentence about the photo, in quotes.
        out: The picture to write; its ending (.png, .jpg, .svg, .pdf) names the format. By default a PNG in
            attention/ in the run folder, named after the photo and the caption.
        framing: How a photo that is not square becomes one: crop, its centre square; squash, all of it scaled to a
            square; pad, all of it with borders.
    """

    run: Path
    photo: Path
    caption: str
    out: Path | None = None
    framing: Literal["crop", "squash", "pad"] = "crop"


@dataclass(frozen=True)
class ExplainMapArguments:
    """What is laid out, and how.

    Args:
        run: The run folder.
        corpus: The folder of the corpus whose images are laid out; by default the one that the run learned from.
        split: The split of that corpus, or several with commas between them; by default test where there are splits,
            else all.
        task: Labelled images in place of a corpus, framed in the colours of their labels: folder:DIR, voc:DIR,
            table:FILE or corpus:FOLDER. Those of its test are laid out.
        count: The most images; of more, a random sample is shown.
        seed: Of the sample and of t-SNE.
        perplexity: How many neighbours each image is held close to; at most a third of the images.
        out: The folder to write map.png and map.html into; by default map/ in the run folder, in it a folder named
            after the corpus and split or the task.
        image: Of a table, the column of image files.
        label: Of a table, the column of labels.
        images: Of a table, the folder that its image files are relative to.
        names: Of class folders, a file of the classes' names, as evaluate takes it.
        framing: How an image that is not square becomes one, for the network and on the map: crop, its centre square;
            squash, all of it scaled to a square; pad, all of it with borders.
        device: Where to compute the features.
    """

    run: Path
    corpus: Path | None = None
    split: str | None = None
    task: str | None = None
    count: MapCount = 2000
    seed: Seed = 0
    perplexity: Perplexity = 30.0
    out: Path | None = None
    image: str | None = None
    label: str | None = None
    images: Path | None = None
    names: Path | None = None
    framing: Literal["crop", "squash", "pad"] = "crop"
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True)
class ExplainWordsArguments:
    """What is explained.

    Args:
        run: The run folder.
        words: Words whose nearest words are shown, with blanks between them.
        most: How many nearest words are shown.
        similarity: A list of two words and a score a line: how well do the distances between the words follow it?
        dictionary: A list of a word and its translation a line: are translations near each other?
        concepts: The concept set to look at, by name; by default all of the run's.
        centre: Take the mean of all words from each word first.
        images: How many photos that the run learned from tell which directions of the words count: those along which
            photos differ. 0 compares the words without using photos.
        corpus: The folder of the corpus that the run learned from, where that was moved or copied.
        out: A JSON file to write what was found to.
        device: Where the photos are looked at.
    """

    run: Path
    words: tuple[str, ...]
    most: AtLeastOne = 10
    similarity: Path | None = None
    dictionary: Path | None = None
    concepts: str | None = None
    centre: bool = True
    images: Count = 1000
    corpus: Path | None = None
    out: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True)
class ReportArguments:
    """What is reported.

    Args:
        run: The run folder.
        corpus: The folder of the corpus that the run learned from, where that was moved or copied.
        out: The file to write; by default report.html in the run folder.
    """

    run: Path
    corpus: Path | None = None
    out: Path | None = None


@dataclass(frozen=True)
class DemoArguments:
    """Where the demonstration goes.

    Args:
        out: The run folder to make; its corpora are made beside it, in OUT-corpora/.
        overwrite: Replace the demonstration that is there already.
    """

    out: Path = Path("runs/demo")
    overwrite: bool = False


def _pretrain_sources() -> list[Source]:
    from wordsight.cli.arguments import Source
    from wordsight.training.pretrain_settings import PretrainSettings

    return [Source(PretrainArguments), Source(PretrainSettings, title="settings of the run")]


def _pretrain(values: Values) -> None:
    from wordsight import api
    from wordsight.training.pretrain_settings import PretrainSettings

    run = api.pretrain(PretrainSettings(**values.of(PretrainSettings)), **values.of(PretrainArguments))
    print(
        f"trained {run.path} in {run.info.seconds:,.0f} s; next: wordsight evaluate {run.path} --task folder:DIR, "
        f"or wordsight report {run.path}"
    )


def _recipe_file(name: str) -> Path:
    from wordsight.recipes import recipe_file

    return recipe_file(name)


def _recipes_text() -> str:
    from wordsight.recipes import recipe_names

    return f"A recipe, by name or file; flags override the recipe. Names: {', '.join(recipe_names())}."


PRETRAIN = Verb(
    summary="Train a backbone from scratch on a corpus.",
    example="wordsight pretrain --recipe icmlm-attfc-resnet18-small --corpus corpora/flickr8k --out runs/a",
    sources=_pretrain_sources,
    call=_pretrain,
    interrupted=kept_checkpoint,
    values_flag=("--recipe", _recipes_text()),
    values_file=_recipe_file,
)


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


def _explain_photo_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(ExplainPhotoArguments)]


def _explain_photo(values: Values) -> None:
    from wordsight import api

    given = values.of(ExplainPhotoArguments)
    file = api.explain_photo(given.pop("run"), given.pop("photo"), given.pop("caption"), **given)
    print(f"drew {file}: where {values['run']} looks for each word; next: wordsight report {values['run']}")


def _explain_map_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(ExplainMapArguments)]


def _explain_map(values: Values) -> None:
    from wordsight import api

    given = values.of(ExplainMapArguments)
    drawn = api.explain_map(given.pop("run"), **given)
    print(f"drew {drawn.picture} and {drawn.page}: {drawn.count:,} images; next: open {drawn.page} in a browser")


def _explain_words_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(ExplainWordsArguments)]


def _explain_words(values: Values) -> None:
    from wordsight import api
    from wordsight.explain.words.known_words import print_words

    given = values.of(ExplainWordsArguments)
    found, failed = some_done(lambda: api.explain_words(given.pop("run"), given.pop("words"), **given))
    print_words(found)
    if values["out"] is not None:
        print(f"wrote {values['out']}")
    if failed is not None:
        raise failed


def _report_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(ReportArguments)]


def _report(values: Values) -> None:
    from wordsight import api

    given = values.of(ReportArguments)
    print(f"wrote {api.report(given.pop('run'), **given)}: one file that opens in any browser")


def _demo_sources() -> list[Source]:
    from wordsight.cli.arguments import Source

    return [Source(DemoArguments)]


def _demo(values: Values) -> None:
    from wordsight.demo import demo

    demo(**values.of(DemoArguments))


EVALUATE = Verb(
    summary="Measure a run: probes of its backbone on labelled images, or what its heads say of captioned ones.",
    example="wordsight evaluate runs/a --task folder:imagenette --protocol logistic",
    sources=_evaluate_sources,
    call=_evaluate,
    interrupted="results that were finished are kept: run the same command again",
)
EXPLAIN = Group(
    "Show what a run has learned.",
    lambda: {
        "photo": Verb(
            summary="Draw where a run looks in a photo for each word of a caption.",
            example='wordsight explain photo runs/a photo.jpg "a dog runs on the beach"',
            sources=_explain_photo_sources,
            call=_explain_photo,
        ),
        "map": Verb(
            summary="Lay out held-out images by their features: a picture of thumbnails, and a page to walk about in.",
            example="wordsight explain map runs/a --task folder:imagenette",
            sources=_explain_map_sources,
            call=_explain_map,
        ),
        "words": Verb(
            summary="Show which words a run holds for similar: the nearest of a word, in one language or across two.",
            example="wordsight explain words runs/words dog beach",
            sources=_explain_words_sources,
            call=_explain_words,
        ),
    },
)
REPORT = Verb(
    summary="Write what went into a run and what came out as one HTML file that opens anywhere.",
    example="wordsight report runs/a",
    sources=_report_sources,
    call=_report,
)
DEMO = Verb(
    summary="The whole job on embedded pictures, from corpus to report, in minutes.",
    example="wordsight demo --out runs/demo",
    sources=_demo_sources,
    call=_demo,
    interrupted="the demonstration is not finished: run the same command again with --overwrite true",
)
