"""The run folder: what training leaves, and how everything after it reads it.

config.yaml            the settings, resolved
run.json               what it was trained on, on what, and how it ended
metrics.jsonl          losses, learning rate and speed over steps (also under tensorboard/)
checkpoint.safetensors where to resume
backbone.safetensors   the trained backbone
objective.safetensors  the trained heads
concept_means.safetensors  how probable its tag heads find each concept, on average over the training images
known_images.safetensors  hashes of the images that it was trained on
results/, report.html  what evaluation and explain add
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from wordsight.atomic import write_json, write_text
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.known_images import KnownImages
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, unknown
from wordsight.language.features import MaskedCaptions
from wordsight.language.model import LanguageModel, load_language_model
from wordsight.objectives import ConceptFacts, Facts, Objective, build_objective
from wordsight.settings import from_mapping
from wordsight.tensors import read_tensors, save_tensors
from wordsight.training.metrics import read_metrics
from wordsight.training.settings import PretrainSettings
from wordsight.vision.backbones import Backbone, build_backbone
from wordsight.vision.weights import load_weights

_MASKABLE = "facts.maskable"


@dataclass(frozen=True)
class RunConcepts:
    """A concept set that a run learned from.

    Args:
        folder: Where it is.
        fingerprint: Its fingerprint.
        count: Number K of concepts.
        target: Whether its values are labels or probabilities.
        unseen: How many concepts no image of the split has: all that is learned of them is that they are rare.
    """

    folder: str
    fingerprint: str
    count: int
    target: Literal["labels", "probabilities"]
    unseen: int = 0


@dataclass(frozen=True)
class RunInfo:
    """What a run was trained on, and how it ended.

    Args:
        corpus: Folder of the corpus.
        corpus_fingerprint: Its fingerprint.
        split: The split trained on.
        examples: How many images that was.
        concepts: The concept sets, by name.
        language: Name of the language model, where one was read.
        masked: Folder of the masked captions, where words were masked.
        environment: Versions and device.
        steps: Steps in all.
        finished: Whether all of them were done.
        seconds: Time spent training.
        weights: Where a file's weights lay that it began with, and what of them was read; "" for random or published
            ones.
        warnings: What a reader of any of its numbers should know of these weights.
    """

    corpus: str
    corpus_fingerprint: str
    split: str
    examples: int
    concepts: dict[str, RunConcepts]
    language: str | None
    masked: str | None
    environment: dict[str, Any]
    steps: int
    finished: bool = False
    seconds: float = 0.0
    weights: str = ""
    warnings: list[str] = field(default_factory=list)

    def begun_with(self, backbone: Backbone) -> RunInfo:
        """The same with what the run's record keeps of the weights that it begins with."""
        return replace(self, weights=backbone.origin, warnings=list(backbone.warnings))


class Run:
    """A run folder.

    Args:
        path: The folder.
        settings: Its settings.
        info: What it was trained on.
    """

    def __init__(self, path: Path, settings: PretrainSettings, info: RunInfo) -> None:
        self.path, self.settings, self.info = path, settings, info

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Open a run.

        Raises:
            InputError: When the folder holds no run.
        """
        path = Path(path)
        try:
            config = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
            info = json.loads((path / "run.json").read_text("utf-8"))
        except FileNotFoundError as error:
            raise InputError(
                "is no run", where=path, expected="a folder made by `wordsight pretrain`, with config.yaml and run.json"
            ) from error
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise InputError(f"can't be read: {error}", where=path) from error
        settings = from_mapping(PretrainSettings, config, str(path / "config.yaml"))
        return cls(path, settings, from_mapping(RunInfo, info, str(path / "run.json")))

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name

    @property
    def checkpoint_path(self) -> Path:
        """The checkpoint to resume from."""
        return self.path / "checkpoint.safetensors"

    @property
    def results_folder(self) -> Path:
        """Where evaluation writes."""
        return self.path / "results"

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``."""
        return read_metrics(self.path / "metrics.jsonl")

    def corpus(self) -> Corpus:
        """The corpus that it was trained on.

        Raises:
            InputError: When the folder now holds another corpus.
        """
        corpus = Corpus.open(self.info.corpus)
        if corpus.fingerprint != self.info.corpus_fingerprint:
            raise InputError(
                f"holds corpus {corpus.fingerprint}",
                where=corpus.path,
                expected=f"{self.info.corpus_fingerprint} of {self.path}",
            )
        return corpus

    def known_images(self) -> KnownImages | None:
        """The images that it was trained on; of a run that did not keep their hashes those of its corpus, where that is
        still there, and None where it is not."""
        found = KnownImages.read(self.path)
        if found is not None:
            return found
        try:
            corpus = self.corpus()
            return KnownImages.of(corpus, corpus.indices(self.info.split))
        except InputError:
            return None

    def concept_set(self, name: str | None = None) -> ConceptSet:
        """A concept set that it was trained on.

        Args:
            name: Its name; the first by default.

        Raises:
            InputError: When there is no such set, or its folder now holds another.
        """
        if not self.info.concepts:
            raise InputError(f"the objective {self.settings.objective!r} learned from no concepts", where=self.path)
        name = name or next(iter(self.info.concepts))
        if name not in self.info.concepts:
            raise unknown("concept set", name, self.info.concepts, where=self.path)
        known = self.info.concepts[name]
        found = ConceptSet.open(Path(known.folder))
        if found.fingerprint != known.fingerprint:
            raise InputError(
                f"holds the concept set {found.fingerprint}",
                where=known.folder,
                expected=f"{known.fingerprint} of {self.path}",
                mend="build it again with the settings of the run",
            )
        return found

    def maskable_set(self) -> ConceptSet:
        """The concept set whose words it has masked: the first that knows where its concepts stand.

        Raises:
            InputError: When there is none.
        """
        for name in self.info.concepts:
            found = self.concept_set(name)
            if found.occurrences is not None:
                return found
        raise InputError(f"the objective {self.settings.objective!r} has masked no words", where=self.path)

    def masked_captions(self) -> MaskedCaptions | None:
        """The masked captions that it was trained on, for objectives on words."""
        return None if self.info.masked is None else MaskedCaptions(self.info.masked)

    def language_model(self) -> LanguageModel | None:
        """The frozen language model that it reads, for objectives on words."""
        return None if self.info.language is None else load_language_model(self.info.language)

    def backbone(self, weights: Literal["trained", "random"] = "trained") -> Backbone:
        """The backbone, trained or as it was before training.

        Args:
            weights: ``trained``, or ``random``: the same network freshly initialised from the run's seed.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            backbone = new_backbone(self.settings, fresh=True)
        if weights == "trained":
            _load(backbone.network, self.path / "backbone.safetensors")
            backbone.origin, backbone.warnings = self.info.weights, list(self.info.warnings)
        return backbone.eval()

    def objective(self, language: LanguageModel | None = None) -> Objective:
        """The trained objective, heads included.

        Args:
            language: The run's language model, where it is at hand.
        """
        path = self.path / "objective.safetensors"
        tensors = _read(path)
        language = language or self.language_model()
        facts = Facts(
            concepts={name: ConceptFacts(found.count, found.target) for name, found in self.info.concepts.items()},
            vectors_VD=None if language is None else language.vocabulary_matrix(),
            maskable=tensors.pop(_MASKABLE, None),
            classifier=None if language is None else language.token_classifier_weights(),
            images=self.info.examples,
        )
        objective = build_objective(self.settings.objective, self.settings.objective_settings, self.backbone(), facts)
        missing, unexpected = objective.load_state_dict(tensors, strict=False)
        lost = [name for name in missing if not name.startswith("backbone.")]
        if lost or unexpected:
            raise InputError(f"heads don't fit the settings: {[*lost, *unexpected][:3]}", where=path)
        return objective.eval()


def new_backbone(settings: PretrainSettings, *, fresh: bool = False) -> Backbone:
    """The backbone that the settings name, with random weights unless they ask for published ones or a file's.

    Args:
        settings: The run's settings.
        fresh: Give it random weights whatever they ask for.

    Raises:
        InputError: When there is no such backbone, or the file does not fit it.
    """
    backbone = build_backbone(
        settings.backbone,
        settings.backbone_settings,
        image_size=settings.image_size,
        pretrained=settings.pretrained and not fresh,
    )
    if settings.weights and not fresh:
        load_weights(backbone, settings.weights)
    return backbone


def write_start(path: Path, settings: PretrainSettings, info: RunInfo) -> None:
    """Write what is known before the first step."""
    write_text(path / "config.yaml", yaml.safe_dump(asdict(settings), sort_keys=False, allow_unicode=True))
    write_json(path / "run.json", asdict(info))


def write_weights(path: Path, objective: Objective, facts: Facts) -> None:
    """Write the trained backbone and the trained heads, each whole or not at all."""
    heads = {name: value for name, value in objective.state_dict().items() if not name.startswith("backbone.")}
    if facts.maskable is not None:
        heads[_MASKABLE] = facts.maskable
    save_tensors(path / "backbone.safetensors", objective.backbone.network.state_dict())
    save_tensors(path / "objective.safetensors", heads)


def _read(path: Path) -> dict[str, torch.Tensor]:
    go_on = "training has not finished: go on with the `wordsight pretrain` command of this run and --resume true"
    return read_tensors(path, absent=go_on, damaged="copy it again, or train again in another --out")


def _load(network: torch.nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(_read(path))
    except RuntimeError as error:
        raise InputError("holds weights of another backbone than config.yaml names", where=path) from error
