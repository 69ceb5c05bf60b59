"""Values from files are checked into settings, whatever they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from wordsight.errors import InputError
from wordsight.settings import from_mapping, read_yaml


@dataclass(frozen=True)
class Kept:
    rate: float = 0.1
    steps: int = 1
    name: str | None = None
    way: Literal["up", "down"] = "up"
    layers: tuple[str, ...] = ()
    bounds: tuple[float, float] = (0.0, 1.0)
    scores: dict[str, float] = field(default_factory=dict)


@pytest.mark.parametrize("name", ["rate", "steps", "name", "way", "layers", "bounds", "scores"])
@pytest.mark.parametrize(
    "value", [{"a": {}}, [[1]], [{}], True, b"x", object(), "x" * 100_000, 10**400, {"a": 10**400}]
)
def test_a_value_of_any_type_is_taken_or_refused_in_a_line(name: str, value: Any) -> None:
    said, kept = "", None
    try:
        kept = from_mapping(Kept, {name: value}, "file.yaml")
    except InputError as error:
        said = str(error)
    if kept is not None:
        assert getattr(kept, name) == value
        return
    assert name in said and "file.yaml" in said
    assert len(said) < 1_500


def test_a_whole_number_longer_than_any_float_is_refused() -> None:
    with pytest.raises(InputError, match=r"file.yaml: rate: found a whole number beyond any float"):
        from_mapping(Kept, {"rate": 10**400}, "file.yaml")


def test_a_list_of_a_fixed_length_has_that_length() -> None:
    assert from_mapping(Kept, {"bounds": [1, 2.5]}, "file.yaml").bounds == (1.0, 2.5)
    for value in ([], [1], [1, 2, 3]):
        with pytest.raises(InputError, match=rf"file.yaml: bounds: found {len(value)} values; expected 2"):
            from_mapping(Kept, {"bounds": value}, "file.yaml")


@dataclass(frozen=True)
class Outer:
    kept: Kept = field(default_factory=Kept)


def test_the_setting_at_fault_has_its_whole_name() -> None:
    with pytest.raises(InputError, match=r"file.yaml: kept.rate: found 'x'") as caught:
        from_mapping(Outer, {"kept": {"rate": "x"}}, "file.yaml")
    assert caught.value.setting == "kept.rate"
    with pytest.raises(InputError, match=r"file.yaml: unknown setting 'kept.rat'.*did you mean 'kept.rate'"):
        from_mapping(Outer, {"kept": {"rat": 1}}, "file.yaml")


def test_values_that_stand_in_no_file_are_told_by_the_setting_that_holds_them() -> None:
    with pytest.raises(InputError, match=r"^objective_settings.rate: found 'x'"):
        from_mapping(Kept, {"rate": "x"}, "objective_settings of icmlm", within="objective_settings")
    with pytest.raises(InputError, match=r"^objective_settings of icmlm: unknown setting 'rat'"):
        from_mapping(Kept, {"rat": "x"}, "objective_settings of icmlm", within="objective_settings")


def test_a_yaml_file_is_its_values_and_the_comment_above_them(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("# What it is,\n# and why.\nrate: 1\n# not this\n1: b\n")
    assert read_yaml(file) == ({"rate": 1, "1": "b"}, "What it is, and why.")
    file.write_text("# nothing yet\n")
    assert read_yaml(file) == ({}, "nothing yet")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: 2\na: 3\n", "a.yaml, line 3: 'a' stands twice; expected each name once"),
        (b"a:\n  b: 1\n  b: 2\n", "a.yaml, line 3: 'b' stands twice"),
        (b"a: [", "a.yaml can't be read as YAML"),
        (b"a: \xff", "a.yaml can't be read as YAML"),
        (b"- a", "a.yaml holds no settings; expected lines such as `epochs: 20`"),
    ],
)
def test_what_yaml_would_pass_over_and_what_is_none_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_yaml(file)
    assert said in str(caught.value)
    with pytest.raises(InputError, match="no such file; expected a YAML file"):
        read_yaml(tmp_path / "absent.yaml")
