"""The report: one HTML file that says what went into a run, how training went, what came out, and where it looks.

It asks for nothing from outside: styles, script, charts and pictures are inside. What can't be shown (a corpus that has
moved, an objective without attention, nothing measured yet) is said in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.atomic import write_text
from wordsight.concepts import CONCEPT_SETS
from wordsight.concepts.apply import can_be_masked
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError
from wordsight.evaluation.results.result import Result, read_results
from wordsight.explain.formats import SPACE, count, duration, plain
from wordsight.explain.photo.attention import has_attention, objectives_with_attention
from wordsight.explain.report.contents import AttentionPart, Report
from wordsight.explain.report.example_photos import describe_attention
from wordsight.explain.report.report_data import describe_concepts, describe_data, listed
from wordsight.explain.report.results import groups_tables, headlines, protocols, result_tables, warnings
from wordsight.explain.report.training import training_charts
from wordsight.objectives import Plot, objective_kind, objective_needs, objective_settings

if TYPE_CHECKING:
    from wordsight.training.kept_concepts import KeptConcepts
    from wordsight.training.run import Run

MAPS = 12
TEMPLATES = Path(__file__).parent / "templates"


def write_report(run: Run, *, corpus: Corpus | None = None, out: Path | None = None, maps: int = MAPS) -> Path:
    """Write the report of a run.

    Args:
        run: A run, finished or not.
        corpus: Its corpus, where that is no longer in the folder that the run remembers.
        out: The file to write; ``report.html`` in the run by default.
        maps: How many attention maps to show.

    Returns:
        The file.

    Raises:
        InputError: When the file can't be written, or the run's results can't be read.
    """
    out = Path(out) if out is not None else run.path / "report.html"
    write_text(out, render(gather(run, corpus, maps)))
    return out


def render(report: Report) -> str:
    """The report as one HTML document; whatever comes from outside is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Every template is HTML, whatever its ending: captions and file names may hold tags.
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("report.html.j2").render(report=report)


def gather(run: Run, corpus: Corpus | None, maps: int) -> Report:
    """Everything that stands in the report of a run."""
    corpus, data_notes = _corpus_of(run, corpus)
    concepts, concept_notes = _concepts_of(run)
    attention, attention_note = _attention_of(run, corpus, concepts, maps)
    results = read_results(run.results_folder)
    return Report(
        title=run.name,
        version=_version(),
        sentence=_sentence(run, corpus, concepts),
        headlines=headlines(results),
        warnings=_warnings(run, results, attention),
        data=None if corpus is None else describe_data(corpus),
        data_notes=[*data_notes, *concept_notes],
        concepts=[
            describe_concepts(found.concepts, found.train_K, name if len(run.info.concepts) > 1 else "")
            for name, found in concepts.items()
        ],
        charts=training_charts(run.metrics(), run.settings.batch_size, _plots(run)),
        results=result_tables(results),
        groups=groups_tables(results),
        protocols=protocols(results),
        attention=attention,
        attention_note=attention_note,
        recipe=[(name, _written(value)) for name, value in _flat(asdict(run.settings))],
        environment=_environment(run),
        sources=[] if corpus is None else [str(source) for source in corpus.info.get("sources", [])],
    )


def _corpus_of(run: Run, corpus: Corpus | None) -> tuple[Corpus | None, list[str]]:
    """The run's corpus, or a note that says why it is not at hand."""
    try:
        return corpus if corpus is not None else run.corpus(), []
    except InputError as error:
        return None, [_not_shown(error)]


def _plots(run: Run) -> Mapping[str, Plot]:
    name = run.settings.objective
    return objective_kind(name).build.plots(objective_settings(name, run.settings.objective_settings))


def _concepts_of(run: Run) -> tuple[dict[str, KeptConcepts], list[str]]:
    """The run's concept sets by name with their counts, and for each that is not at hand a note that says why."""
    found: dict[str, KeptConcepts] = {}
    notes = []
    for name in run.info.concepts:
        try:
            if (kept := run.concept_counts(name)) is not None:
                found[name] = kept
        except InputError as error:
            notes.append(_not_shown(error))
    return found, notes


def _attention_of(
    run: Run, corpus: Corpus | None, concepts: Mapping[str, KeptConcepts], maps: int
) -> tuple[AttentionPart | None, str]:
    """The attention maps, or a note that says why there are none."""
    if not has_attention(run):
        having = " and ".join(objectives_with_attention())
        return None, (
            f"The objective {run.settings.objective} looks at a picture as a whole: it has no attention that could be "
            f"shown. {having} have it."
        )
    words = next((found.concepts for found in concepts.values() if can_be_masked(found.concepts)), None)
    if corpus is None or words is None:
        return None, "Not shown: the corpus or its concept set can't be found."
    try:
        attention = describe_attention(run, corpus, words, maps)
    except InputError as error:
        return None, _not_shown(error)
    return attention, "" if attention is not None else "There are no captions whose words could be masked."


def _warnings(run: Run, results: Sequence[Result], attention: AttentionPart | None) -> list[str]:
    """What a reader should know before anything else, a sentence each."""
    unfinished = [] if run.info.finished else ["training has not finished"]
    blind = [f"where it looks: {attention.warning}"] if attention is not None and attention.warning else []
    return [*unfinished, *warnings(results), *blind]


def _not_shown(error: InputError) -> str:
    return f"Not shown: {error}."


def _sentence(run: Run, corpus: Corpus | None, concepts: Mapping[str, KeptConcepts]) -> str:
    settings, info = run.settings, run.info
    needs = objective_needs(settings.objective, settings.objective_settings)
    read = _texts(concepts) if needs.fields else ""
    asks = objective_kind(settings.objective).build.asks
    asked = f"It was trained {asks}: the" if asks else "It was trained with the"
    name = Path(info.corpus).name if corpus is None else corpus.name
    start = "published weights" if settings.pretrained else "random weights"
    split = f", split {info.split}" if info.split != "all" else ""
    times = {1: "once", 2: "twice"}.get(settings.epochs, f"{settings.epochs} times")
    size = f"{settings.image_size}{SPACE}×{SPACE}{settings.image_size}"
    ended = f" Training took {duration(info.seconds)}." if info.finished else " Training has not finished."
    return (
        f"A {settings.backbone} network learned to see from {read}{count(info.examples)} "
        f"pictures (corpus {name}{split}). {asked} objective {settings.objective}. Starting from {start}, it saw "
        f"each picture {times}, at {size} pixels.{ended}"
    )


def _texts(concepts: Mapping[str, KeptConcepts]) -> str:
    """What of the pictures was read, as it stands in a sentence; captions where the concept sets are not at hand."""
    sets = [found.concepts for found in concepts.values()]
    reads = {str(each.settings.get("of", CONCEPT_SETS[each.kind].reads)) for each in sets}
    return f"the {listed(sorted(reads or {'captions'}))} of "


def _version() -> str:
    """This wordsight's version; empty where it runs without being installed."""
    try:
        return version("wordsight")
    except PackageNotFoundError:
        return ""


def _environment(run: Run) -> list[tuple[str, str]]:
    info = run.info
    found = dict(info.environment)
    devices = ", ".join(found.pop("gpus", []) or []) or "none"
    spent = duration(info.seconds) if info.finished else "not finished"
    rows = [("training", spent), ("steps", count(info.steps)), ("GPUs", devices)]
    rows += [(name.removeprefix("packages."), _written(value)) for name, value in _flat(found)]
    rows += [
        ("corpus fingerprint", info.corpus_fingerprint),
        *((f"concept set {name}", found.fingerprint) for name, found in info.concepts.items()),
        ("language model", info.language or "none was read"),
    ]
    return rows


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == {} or value == []:
        return "–"
    if isinstance(value, int | float):
        return plain(value)
    return str(value)
