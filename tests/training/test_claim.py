"""Whether a run may be written to a folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from wordsight.errors import InputError
from wordsight.locks import HOST
from wordsight.training.claim import claim, claimed
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run import write_start
from wordsight.training.run_info import RunInfo

SETTINGS = PretrainSettings(objective="tp", concepts={"kind": "words", "size": 30})
INFO = RunInfo("corpus", "0", "train", 48, {}, None, {}, {}, 18)


def test_a_run_killed_before_it_was_known_goes_on_with_the_same_command(tmp_path: Path) -> None:
    """The kill comes while config.yaml is written, or between it and run.json."""
    for resume in (False, True):
        run = tmp_path / f"run-{resume}"
        run.mkdir()
        (run / ".config.yaml.abc123xy.part").touch()  # of an earlier version
        with claimed(run, resume=resume):
            assert list(run.iterdir()) == []
        (run / "config.yaml").write_text(yaml.safe_dump(dataclasses.asdict(SETTINGS)))
        (run / f".run.json.{HOST}.0123abcd.part").mkdir()
        (run / ".tmpAbCdEf").touch()
        with claimed(run, resume=resume):
            assert [each.name for each in run.iterdir()] == ["config.yaml"]


def test_a_run_that_lost_its_run_json_before_the_first_step_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(dataclasses.asdict(SETTINGS)))
    (tmp_path / "concepts" / "concepts").mkdir(parents=True)
    (tmp_path / "known_images.safetensors").touch()
    assert not claim(tmp_path, resume=False)
    assert not claim(tmp_path, resume=True)
    (tmp_path / "backbone.safetensors").touch()
    with pytest.raises(InputError, match="not a run"):
        claim(tmp_path, resume=True)


def test_concepts_of_a_run_that_was_never_begun_do_not_stay_beside_those_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(dataclasses.asdict(SETTINGS)))
    (tmp_path / "concepts" / "of-other-settings").mkdir(parents=True)
    with claimed(tmp_path, resume=False):
        assert not (tmp_path / "concepts").exists()


def test_a_folder_of_concepts_alone_is_not_a_run(tmp_path: Path) -> None:
    (tmp_path / "concepts" / "mine").mkdir(parents=True)
    with pytest.raises(InputError, match="not a run"), claimed(tmp_path, resume=False):
        pytest.fail("it is somebody's")
    assert (tmp_path / "concepts" / "mine").exists()


def test_a_config_of_another_program_is_not_taken_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("title: my site\n")
    with pytest.raises(InputError):
        claim(tmp_path, resume=False)
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(InputError):
        claim(tmp_path, resume=True)


def test_a_run_that_lost_its_run_json_is_not_begun_anew(tmp_path: Path) -> None:
    write_start(tmp_path, SETTINGS, INFO)
    (tmp_path / "metrics.jsonl").touch()
    (tmp_path / "run.json").unlink()
    with pytest.raises(InputError):
        claim(tmp_path, resume=True)


def test_a_kill_between_the_last_two_things_leaves_no_checkpoint_for_good(tmp_path: Path) -> None:
    write_start(tmp_path, SETTINGS, dataclasses.replace(INFO, finished=True))
    (tmp_path / "checkpoint.safetensors").touch()
    with pytest.raises(InputError, match="give another `out` to train again"), claimed(tmp_path, resume=False):
        pytest.fail("it is finished")
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_two_trainings_into_one_folder_are_refused(tmp_path: Path) -> None:
    refused = pytest.raises(InputError, match="is being written by another wordsight")
    with claimed(tmp_path / "run", resume=False), refused, claimed(tmp_path / "run", resume=True):
        pytest.fail("two trainings")


def test_the_processes_of_one_training_are_not_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claimed(tmp_path / "run", resume=False):
        monkeypatch.setenv("RANK", "1")
        with claimed(tmp_path / "run", resume=False):
            pass
