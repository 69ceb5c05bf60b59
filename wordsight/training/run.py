"""The run folder: what training leaves, and how everything after it reads it.

config.yaml            the settings, resolved
run.json               what it was trained on, on what, and how it ended
metrics.jsonl          losses, learning rate and speed over steps (also under tensorboard/)
concepts/              what it keeps of its concept sets: names, counts, and how to find them in texts
checkpoint.safetensors where to resume
backbone.safetensors   the trained backbone
objective.safetensors  the trained heads
concept_means.safetensors  how probable its tag heads find each concept, on average over the training images
known_images.safetensors  hashes of the images that it was trained on
results/, report.html  what evaluation and explain add
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from wordsight.atomic import write_json, write_text
from wordsight.batching.sources import ConceptFacts, RunSources
from wordsight.concepts.apply import can_be_masked
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.known_images import KnownImages
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting, unknown
from wordsight.language.features import MaskedCaptions
from wordsight.language.model import LanguageModel, load_language_model
from wordsight.objectives import Facts, Objective
from wordsight.settings import from_mapping, read_yaml
from wordsight.tensors import read_tensors, save_tensors
from wordsight.training.kept_concepts import FOLDER, KeptConcepts, counted_in, open_kept
from wordsight.training.metrics import read_metrics
from wordsight.training.objective_file import load_objective, save_objective
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run_info import RunConcepts, RunInfo, read_info
from wordsight.vision.backbones import Backbone, build_backbone, show_as
from wordsight.vision.weights import load_weights

_BACKBONE, _OBJECTIVE = "backbone.safetensors", "objective.safetensors"


class Run:
    """A run folder.

    Args:
        path: The folder.
        settings: Its settings.
        info: What it was trained on.
        corpus: The corpus that it was trained on, where a person said where that is now.

    Examples:
        >>> run = Run.open("runs/a")
        >>> run.name, run.settings.objective, run.corpus().name
        ('a', 'icmlm-attfc', 'photos')
    """

    def __init__(self, path: Path, settings: PretrainSettings, info: RunInfo, corpus: Corpus | None = None) -> None:
        self.path, self.settings, self.info = path, settings, info
        self._corpus = corpus

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Open a run.

        Raises:
            InputError: When the folder holds no run.
        """
        path = Path(path)
        try:
            # What may not be read is said before what is absent.
            (path / "config.yaml").open("rb").close()
            info = json.loads((path / "run.json").read_text("utf-8"))
        except FileNotFoundError as error:
            raise InputError(
                "is not a run",
                where=path,
                expected="a folder made by `wordsight pretrain`, with config.yaml and run.json",
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(f"can't be read: {error}", where=path) from error
        config, _ = read_yaml(path / "config.yaml")
        settings = from_mapping(PretrainSettings, config, str(path / "config.yaml"))
        return cls(path, settings, read_info(info, str(path / "run.json")))

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

    def learned_from(self, corpus: Corpus) -> bool:
        """Whether this is the corpus that it was trained on, wherever it lies."""
        return corpus.fingerprint == self.info.corpus_fingerprint

    def with_corpus(self, corpus: Corpus) -> Run:
        """The same run with its corpus, wherever that is now.

        Raises:
            InputError: When this is another corpus than it was trained on.
        """
        if not self.learned_from(corpus):
            raise self._other_corpus(corpus, "give the corpus that the run was trained on")
        return Run(self.path, self.settings, self.info, corpus)

    def corpus(self) -> Corpus:
        """The corpus that it was trained on: where a person said, where it was, or where it lies from the run folder.

        Raises:
            InputError: When it is nowhere there.
        """
        return self._found_corpus() if self._corpus is None else self._corpus

    def _found_corpus(self) -> Corpus:
        other = None
        for place in self._places(self.info.corpus, self.info.corpus_from_run):
            if (place / "corpus.json").is_file():
                found = Corpus.open(place)
                if self.learned_from(found):
                    return found
                other = found
        mend = f"say where that corpus is now with {setting('corpus')}, or move it back"
        if other is not None:
            raise self._other_corpus(other, mend)
        raise InputError(
            f"the corpus that the run was trained on ({self.info.corpus_fingerprint}) is not at {self.info.corpus}",
            where=self.path,
            mend=mend,
        )

    def _other_corpus(self, corpus: Corpus, mend: str) -> InputError:
        return InputError(
            f"holds corpus {corpus.fingerprint}",
            where=corpus.path,
            expected=f"{self.info.corpus_fingerprint} of {self.path}",
            mend=mend,
        )

    def _places(self, absolute: str, from_run: str) -> list[Path]:
        """Where something may be: where it was, and where it lies from the run folder."""
        places = [Path(absolute)]
        if from_run:
            places.append((self.path.resolve() / from_run).resolve())
        return places

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
        """A concept set that it was trained on; with the rows of its corpus's examples only where it still is there.

        Args:
            name: Its name; the first by default.

        Raises:
            InputError: When there is no such set, or the run kept nothing of it and its folder is gone.
        """
        if not self.info.concepts:
            raise InputError(f"the objective {self.settings.objective!r} learned from no concepts", where=self.path)
        name = name or next(iter(self.info.concepts))
        return self._concepts(name)[0]

    def concept_counts(self, name: str) -> KeptConcepts | None:
        """A concept set with how many examples have each of its concepts; None where that can't be counted any more.

        Args:
            name: Its name.

        Raises:
            InputError: As :meth:`concept_set`.
        """
        concepts, kept = self._concepts(name)
        if kept is not None:
            return replace(kept, concepts=concepts)
        try:
            return counted_in(concepts, self.corpus(), self.info.split)
        except InputError:
            # Earlier versions kept no counts, and a run can be asked about another corpus where its own has gone.
            return None

    def _concepts(self, name: str) -> tuple[ConceptSet, KeptConcepts | None]:
        if name not in self.info.concepts:
            raise unknown("concept set", name, self.info.concepts, where=self.path)
        known = self.info.concepts[name]
        whole, kept = self._whole_set(known), open_kept(self.path, name, known.fingerprint)
        if whole is not None:
            return whole, kept
        if kept is not None:
            return kept.concepts, kept
        raise InputError(
            f"its concept set {name!r} ({known.fingerprint}) is not at {known.folder}, and nothing was kept of it in "
            "the run",
            where=self.path,
            mend=f"build it again from the run's corpus: {self._build_again(name)} --out {known.folder}",
        )

    def _whole_set(self, known: RunConcepts) -> ConceptSet | None:
        """A concept set with its rows, where it was or in the run's corpus; None where it is in neither."""
        folder = Path(known.folder)
        places = [folder]
        if folder.parent == Path(self.info.corpus) / FOLDER and not (folder / "concepts.json").is_file():
            # It was kept in the corpus, which may be elsewhere now.
            with suppress(InputError):
                places.append(self.corpus().path / FOLDER / folder.name)
        for place in places:
            with suppress(InputError):
                found = ConceptSet.open(place)
                if found.fingerprint == known.fingerprint:
                    return found
        return None

    def _build_again(self, name: str) -> str:
        """The command that makes a concept set anew, as far as the settings tell."""
        given = self.settings.concepts
        named = given if isinstance(given, str) or "kind" in given else given.get(name, {})
        values = dict(named) if isinstance(named, Mapping) else {}
        start = f"wordsight concepts build {values.pop('kind', 'KIND')}"
        flags = [f"--{flag.replace('_', '-')} {value}" for flag, value in values.items()]
        return " ".join([start, f"--corpus {self.info.corpus} --split {self.info.split}", *flags])

    def maskable_set(self) -> ConceptSet:
        """The concept set whose words it has masked: the first of words that stand in captions.

        Raises:
            InputError: When there is none.
        """
        for name in self.info.concepts:
            found = self.concept_set(name)
            if can_be_masked(found):
                return found
        raise InputError(f"the objective {self.settings.objective!r} has masked no words", where=self.path)

    def masked_captions(self) -> MaskedCaptions | None:
        """The masked captions that it was trained on, for objectives on words; None where they were removed."""
        if "folder" not in (record := self.info.fields.get("masked", {})):
            return None
        folder = Path(record["folder"])
        places = [folder]
        if not folder.is_dir():
            with suppress(InputError):
                places.append(self.corpus().path / folder.parent.name / folder.name)
        return next((MaskedCaptions(place) for place in places if place.is_dir()), None)

    def language_model(self) -> LanguageModel | None:
        """The frozen language model that it reads, for objectives on words.

        Raises:
            InputError: When it is absent, or is another than the one that was trained with.
        """
        if self.info.language is None:
            return None
        found = load_language_model(self.info.language)
        if self.info.language_fingerprint not in ("", found.fingerprint):
            raise InputError(
                f"the language model {self.info.language!r} ({found.fingerprint}) is not the one that the run was "
                "trained with: its weights, configuration or tokenizer have changed since",
                where=self.path,
                expected=self.info.language_fingerprint,
                mend="put the files back that it was trained with, or train again",
            )
        return found

    def backbone(self, weights: Literal["trained", "random"] = "trained") -> Backbone:
        """The backbone, trained or as it was before training.

        Args:
            weights: ``trained``, or ``random``: the same network freshly initialised from the run's seed.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            backbone = new_backbone(self.settings, fresh=True)
        backbone.preprocessing = self.info.preprocessing(self.settings.image_size)
        if weights == "trained":
            _load(backbone.network, self.path / _BACKBONE)
            backbone.origin, backbone.warnings = self.info.weights, list(self.info.warnings)
        return backbone.eval()

    def objective(self, language: LanguageModel | None = None) -> Objective:
        """The trained objective, heads included.

        Args:
            language: The run's language model, where it is at hand.
        """
        concepts = {name: ConceptFacts(found.count, found.target) for name, found in self.info.concepts.items()}
        return load_objective(
            self.path / _OBJECTIVE,
            self.settings.objective,
            self.settings.objective_settings,
            self.backbone(),
            RunSources(self.path, concepts, language or self.language_model()),
            self.info.fields,
            self.info.examples,
        )


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
        load_weights(backbone, settings.weights, settings.pixels)
    elif settings.pixels != "auto":
        show_as(backbone, settings.pixels)
    return backbone


def write_start(path: Path, settings: PretrainSettings, info: RunInfo) -> None:
    """Write what is known before the first step."""
    write_text(path / "config.yaml", yaml.safe_dump(asdict(settings), sort_keys=False, allow_unicode=True))
    from_run = os.path.relpath(Path(info.corpus).resolve(), path.resolve())
    write_json(path / "run.json", asdict(replace(info, corpus_from_run=from_run)))


def write_weights(path: Path, objective: Objective, facts: Facts) -> None:
    """Write the trained backbone and the trained heads, each whole or not at all."""
    save_tensors(path / _BACKBONE, objective.backbone.network.state_dict())
    save_objective(path / _OBJECTIVE, objective, facts)


def _read(path: Path) -> dict[str, torch.Tensor]:
    go_on = "training has not finished: go on with the `wordsight pretrain` command of this run and --resume true"
    return read_tensors(path, absent=go_on, damaged=f"copy it again, or train again in another {setting('out')}")


def _load(network: torch.nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(_read(path))
    except RuntimeError as error:
        raise InputError("holds weights of another backbone than config.yaml names", where=path) from error
