"""Every number that a person can set has a range, and whatever lies outside is refused in one line."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any

import pytest

from wordsight.cli import VERBS, main
from wordsight.cli.signatures import arguments_of
from wordsight.cli.verb import Group, Verb
from wordsight.concepts import CONCEPT_SETS
from wordsight.errors import InputError
from wordsight.evaluation import METHODS
from wordsight.objectives import OBJECTIVES
from wordsight.ranges import Fraction, LearningRate, Range, Seed, check_ranges, range_of
from wordsight.settings import from_mapping
from wordsight.training.language.language_settings import LanguageSettings
from wordsight.training.pretrain_settings import PretrainSettings


def _verbs(members: Mapping[str, Verb | Group]) -> Iterator[Verb]:
    for member in members.values():
        if isinstance(member, Group):
            yield from _verbs(member.members())
        else:
            yield member


def _numbers(of: Any) -> Iterator[tuple[str, Any]]:
    """Every number of a dataclass or function, also of the dataclasses inside it, with its type."""
    for name, hint in typing.get_type_hints(of, include_extras=True).items():
        parts = {hint, *typing.get_args(hint)}
        if is_dataclass(hint):
            yield from _numbers(hint)
        elif name != "return" and any(part in (int, float) or range_of(part) is not None for part in parts):
            yield f"{of.__name__}.{name}", hint


def _all_numbers() -> dict[str, Range | None]:
    """Every number with its range; None where it has none."""
    found: dict[str, Range | None] = {}
    for verb in _verbs(VERBS):
        for source in verb.sources():
            for argument in arguments_of(source):
                if {int, float} & {argument.hint, *typing.get_args(argument.hint)}:
                    found[f"{source.of.__name__}.{argument.name}"] = argument.allowed
    for kinds in (CONCEPT_SETS, METHODS):
        for kind in kinds.values():
            found |= {name: range_of(hint) for name, hint in _numbers(kind.settings)}
    for objective in OBJECTIVES.values():
        found |= {name: range_of(hint) for name, hint in _numbers(objective.settings)}
    return found


def test_every_number_that_a_person_can_set_has_a_range() -> None:
    numbers = _all_numbers()
    assert len(numbers) > 120
    assert [name for name, allowed in numbers.items() if allowed is None] == []


@dataclass(frozen=True)
class _Settings:
    lr: LearningRate = 0.1
    seed: Seed = 0
    shares: tuple[Fraction, ...] = (0.5,)

    def __post_init__(self) -> None:
        check_ranges(self)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", 0.0),
        ("lr", -1.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", 10**400),
        ("shares", (0.5, 0.0)),
        ("shares", (1.5,)),
        ("shares", ()),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{name} is "):
        _Settings(**{name: value})


def test_bounds_are_in_the_range_unless_it_says_otherwise() -> None:
    assert Range(0, 1).holds(0) and Range(0, 1).holds(1)
    assert not Range(0, 1, above=True).holds(0) and not Range(0, 1, below=True).holds(1)
    assert str(Range(0.0, 1.0, above=True)) == "a number above 0, at most 1"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("--optimizer.beta2", "2"),
        ("--optimizer.beta2", "-1"),
        ("--optimizer.momentum", "-1"),
        ("--optimizer.heads-rate", "-1"),
        ("--optimizer.final-share", "1000000"),
        ("--optimizer.warmup-share", "-0.5"),
        ("--optimizer.weight-decay", "1e18"),
        ("--checkpoint-minutes", "-0.5"),
        ("--view.crop-ratio", "2147483648"),
        ("--workers", "1000000"),
        ("--seed", "-1"),
        ("--lr", "nan"),
        ("--feature-cache-gb", "-1"),
    ],
)
def test_the_command_line_names_the_flag(setting: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["pretrain", "--recipe", "tp-words-resnet18-small", "--corpus", "c", "--out", "r", setting, value]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"wordsight: {setting}") and "expected a number" in said


def test_values_inside_a_mapping_are_checked_as_well() -> None:
    with pytest.raises(InputError, match="tag_hidden is -1"):
        from_mapping(OBJECTIVES["tag-prediction"].settings, {"tag_hidden": -1}, "objective_settings")


def test_a_yaml_file_is_checked_as_flags_are() -> None:
    with pytest.raises(InputError, match="recipe.yaml.*lr is -1"):
        from_mapping(PretrainSettings, {"objective": "tag-prediction", "lr": -1}, "recipe.yaml")
    with pytest.raises(InputError, match="seed is 9223372036854775808"):
        LanguageSettings(seed=9223372036854775808)
