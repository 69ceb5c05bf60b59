"""Weights on disk carry a checksum."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from wordsight.errors import InputError
from wordsight.tensors import read_noted, read_tensors, save_tensors


@pytest.fixture
def file(tmp_path: Path) -> Path:
    shared = torch.arange(6.0)
    tensors = {"a": shared, "same": shared, "half": torch.ones(2, 3).half(), "one": torch.tensor(3)}
    save_tensors(tmp_path / "x.safetensors", tensors, {"step": 7})
    return tmp_path / "x.safetensors"


def test_tensors_and_note_come_back(file: Path) -> None:
    tensors, note = read_noted(file)
    assert note["step"] == 7 and tensors["one"] == 3 and tensors["half"].dtype == torch.float16
    assert torch.equal(load_file(file)["a"], torch.arange(6.0))


def test_the_same_tensors_are_the_same_bytes(file: Path, tmp_path: Path) -> None:
    tensors, note = read_noted(file)
    save_tensors(tmp_path / "again.safetensors", tensors, {"step": note["step"]})
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_one_flipped_bit_of_a_weight_is_found(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="is damaged.*; copy it again"):
        read_tensors(file, damaged="copy it again")


def test_a_cut_file_is_damaged(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(InputError, match="is damaged"):
        read_tensors(file)


def test_a_file_of_others_has_no_checksum(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    assert torch.equal(read_tensors(tmp_path / "theirs.safetensors")["a"], torch.ones(2))


def test_what_may_not_be_read_is_told_from_what_is_not_there(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there; train it"):
        read_tensors(tmp_path / "nothing.safetensors", absent="train it")
    file.chmod(0)
    tmp_path.chmod(0o755)
    for above in tmp_path.parents:
        if above != Path(above.anchor) and above.stat().st_uid == os.getuid() and above.name.startswith("pytest"):
            above.chmod(0o755)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        said = b"read"
        try:
            if os.getuid() == 0:  # whom no mode keeps out
                os.setuid(65534)
            read_tensors(file, absent="train it")
        except InputError as error:
            said = str(error).encode()
        finally:
            os.write(writing, said)
            os._exit(0)
    os.waitpid(child, 0)
    assert b"can't be read: permission denied" in os.read(reading, 500)
