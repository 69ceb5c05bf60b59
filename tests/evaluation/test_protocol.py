"""A protocol pins every setting and goes by one name; a wrong file is one line."""

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


def test_a_copy_from_an_earlier_version_is_the_same_protocol(tmp_path: Path) -> None:
    text = (FOLDER / "zero-shot.yaml").read_text("utf-8")
    assert "random_init: true" in text
    for name in ("zero-shot.yaml", "mine.yaml"):
        (tmp_path / name).write_text(text.replace("random_init: true", "random_twin: true"), "utf-8")
        assert open_protocol(str(tmp_path / name)).settings == open_protocol("zero-shot").settings


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
        (("  pool: 1", "  pools: 1"), "unknown setting 'features.pools'; .* did you mean 'features.pool'"),
        (("  pool: 1", "  pool: 0"), "features.pool is 0"),
        (("classifier: logistic", "classifier: logistics"), "unknown classifier 'logistics'"),
        (("penalties: [", "penalties: [-1.0, "), "above 0"),
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


@pytest.mark.parametrize(
    ("protocol", "line", "said"),
    [
        ("logistic", "validation_share: 1.0", "validation_share is 1.0; expected a number above 0 and below 1"),
        ("logistic", "penalties: [.nan]", r"penalties is \[nan\]; expected each a number above 0"),
        ("few-shot", "draws: 0", "draws is 0; expected a number from 1"),
        ("zero-shot", "crop_share: 0", "crop_share is 0.0; expected a number above 0, at most 1"),
        ("retrieval", "landmarks: 0", "landmarks is 0"),
        ("tags", "crop_share: .nan", "crop_share is nan"),
        ("fine-tune", "image_size: 10000000", "image_size is 10000000; expected a number from 0 to 8,192"),
    ],
)
def test_a_number_out_of_its_range_is_one_line_with_the_file(
    tmp_path: Path, protocol: str, line: str, said: str
) -> None:
    name = line.partition(":")[0]
    text = _text(protocol)
    kept = [one for one in text.splitlines() if not one.startswith(f"{name}:")]
    file = tmp_path / "mine.yaml"
    file.write_text("\n".join([*kept, line]), "utf-8")
    with pytest.raises(InputError, match=f"mine.yaml: {said}"):
        open_protocol(str(file))


def test_what_yaml_would_pass_over_is_said(tmp_path: Path) -> None:
    text = _text("knn")
    (tmp_path / "twice.yaml").write_text(text + "\nvote: majority\n", "utf-8")
    with pytest.raises(InputError, match=r"line \d+: 'vote' stands twice"):
        open_protocol(str(tmp_path / "twice.yaml"))
    (tmp_path / "typo.yaml").write_text(text.replace("\nvote:", "\nvotes:"), "utf-8")
    with pytest.raises(InputError, match="has no vote, and votes is no setting"):
        open_protocol(str(tmp_path / "typo.yaml"))
    (tmp_path / ".knn.yaml").write_text(text, "utf-8")
    with pytest.raises(InputError, match="begins with a dot"):
        open_protocol(str(tmp_path / ".knn.yaml"))
