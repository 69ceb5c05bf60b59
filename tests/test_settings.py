"""Values from files are checked into settings, whatever they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from wordsight.errors import InputError
from wordsight.settings import from_mapping


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
