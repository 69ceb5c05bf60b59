"""What the report's template draws: plain strings and numbers, made by the modules beside this one, one a section."""

from __future__ import annotations

from dataclasses import dataclass, field

from wordsight.explain.report.charts import Chart


@dataclass(frozen=True)
class Headline:
    """A row of the table at the top: the main number of a protocol on a task, and what it is to be read beside."""

    task: str
    protocol: str
    metric: str
    value: str
    interval: str
    random: str
    text: str
    chance: str


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart; ``width`` is in percent of the longest."""

    name: str
    value: str
    width: float
    kind: str = ""
    right: bool = False


@dataclass(frozen=True)
class Picture:
    """An example of the corpus: the photo as a ``data:`` address, its size in pixels, what it shows, what is said."""

    uri: str
    width: int
    height: int
    alt: str
    captions: list[str]


@dataclass(frozen=True)
class DataPart:
    """What went in: counts, rejects and examples of the corpus."""

    sentence: str
    splits: list[Bar]
    rejects_sentence: str
    rejects: list[Bar]
    words: str
    examples: list[Picture]


@dataclass(frozen=True)
class ConceptGroup:
    """The most frequent concepts of one part of speech."""

    name: str
    style: str
    says: str
    bars: list[Bar]


@dataclass(frozen=True)
class ConceptsPart:
    """A concept set that the run was trained on; ``name`` where there are several."""

    name: str
    sentence: str
    groups: list[ConceptGroup]


@dataclass(frozen=True)
class ResultRow:
    """One measured number with its baselines, each as written and as a bar; further baselines in the note."""

    metric: str
    value: str
    error: str
    random: str
    text: str
    chance: str
    note: str
    bars: list[Bar]
    alt: str


@dataclass(frozen=True)
class ResultTable:
    """All numbers of a protocol on a task, the main one first."""

    task: str
    protocol: str
    rows: list[ResultRow]


@dataclass(frozen=True)
class GroupsTable:
    """A result by groups of one kind: for each its name, how many were asked, and numbers under their columns."""

    title: str
    by: str
    columns: list[str]
    rows: list[tuple[str, str, list[str]]]


@dataclass(frozen=True)
class ProtocolSummary:
    """A protocol's name and, in a sentence, what it does."""

    name: str
    says: str


@dataclass(frozen=True)
class DrawnBox:
    """A box over a picture, in percent of its sides."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class AttentionMap:
    """One held-out example with one word hidden: where the network looked, and what it said."""

    photo: str
    heat: str
    before: str
    word: str
    after: str
    right: bool
    pointing: str
    guesses: list[Bar]
    boxes: list[DrawnBox]


@dataclass(frozen=True)
class AttentionPart:
    """The grid of attention maps, the colour scale that they share, and a warning where they tell nothing."""

    sentence: str
    colours: list[str]
    top: str
    maps: list[AttentionMap]
    warning: str


@dataclass(frozen=True)
class Report:
    """Everything that stands in a report. A part that could not be made is None, and a note says why."""

    title: str
    version: str
    sentence: str
    headlines: list[Headline] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    data: DataPart | None = None
    data_notes: list[str] = field(default_factory=list)
    concepts: list[ConceptsPart] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    results: list[ResultTable] = field(default_factory=list)
    groups: list[GroupsTable] = field(default_factory=list)
    protocols: list[ProtocolSummary] = field(default_factory=list)
    attention: AttentionPart | None = None
    attention_note: str = ""
    recipe: list[tuple[str, str]] = field(default_factory=list)
    environment: list[tuple[str, str]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
