from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from wordsight.errors import InputError
from wordsight.evaluation import METHODS, open_protocol, protocol_names
from wordsight.evaluation.protocol import FOLDER


def _text(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text("utf-8")


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_pins_all_settings_and_names_its_source(name: str) -> None:
    protocol = open_protocol(name)
    assert protocol.name == name
    assert isinstance(protocol.settings, METHODS[protocol.method].settings)
    assert "Source: " in protocol.says
    assert not protocol.says.startswith("Source")


@pytest.mark.parametrize("name", protocol_names())
def test_every_value_of_a_protocol_is_explained(name: str) -> None:
    lines = _text(name).splitlines()
    for before, line in pairwise(lines):
        if ":" in line and not line.lstrip().startswith("#") and not line.startswith("method:"):
            assert before.lstrip().startswith("#") or line.rstrip().endswith(":"), f"{line!r} has no comment above it"


def test_every_method_has_a_protocol() -> None:
    assert {open_protocol(name).method for name in protocol_names()} == set(METHODS)


def test_a_changed_protocol_goes_by_the_name_of_its_own_file(tmp_path: Path) -> None:
    file = tmp_path / "logistic-wide.yaml"
    file.write_text(_text("logistic").replace("pool: 1", "pool: 3"), "utf-8")
    protocol = open_protocol(str(file))
    assert (protocol.name, protocol.settings.features.pool) == ("logistic-wide", 3)


def test_a_changed_protocol_under_an_old_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "logistic.yaml"
    file.write_text(_text("logistic"), "utf-8")
    assert open_protocol(str(file)) == open_protocol("logistic"), "a copy is the same"
    file.write_text(_text("logistic").replace("pool: 1", "pool: 3"), "utf-8")
    with pytest.raises(InputError, match="'logistic' is the name of a protocol .* give the file a name of its own"):
        open_protocol(str(file))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("method: probe", "method: prob"), "unknown method 'prob'.*did you mean 'probe'"),
        (("tolerance: 0.0001", ""), "has no tolerance"),
        (("  pool: 1", "  pools: 1"), "unknown setting 'pools'"),
        (("  pool: 1", "  pool: 0"), "pool 0"),
        (("classifier: logistic", "classifier: logistics"), "unknown classifier 'logistics'"),
        (("penalties: [", "penalties: [-1.0, "), "above zero"),
        (("normalise: standardise", "normalise: whiten"), "unknown value 'whiten'"),
        (("average_precision: sklearn", "average_precision: voc"), "unknown average precision 'voc'"),
        (("pool: 1", "pool: [1"), "can't be read as YAML"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, change: tuple[str, str], found: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(_text("logistic").replace(*change), "utf-8")
    with pytest.raises(InputError, match=found) as raised:
        open_protocol(str(file))
    assert "\n" not in str(raised.value).strip()


def test_a_name_or_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown protocol 'logistics'.*did you mean 'logistic'"):
        open_protocol("logistics")
    with pytest.raises(InputError, match="no such file"):
        open_protocol(str(tmp_path / "absent.yaml"))
    (tmp_path / "list.yaml").write_text(yaml.safe_dump([1, 2]), "utf-8")
    with pytest.raises(InputError, match="holds no settings"):
        open_protocol(str(tmp_path / "list.yaml"))
