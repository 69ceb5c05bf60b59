"""Every example of a layout in ``docs/corpora.md`` is made as it is shown, built by the command shown, and counted."""

from __future__ import annotations

import io
import json
import re
import shlex
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from wordsight.api import READERS
from wordsight.cli import main

_PAGE = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
_FILE = re.compile(r"^`([^`]+)`:\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_IMAGES = re.compile(r"^Images: (.*?)\n\n", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHOWN = re.compile(r"^\$ wordsight (.*)\n((?:[^$].*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Layout:
    """One section: the files and images it shows, and each command with the lines that it prints."""

    title: str
    files: dict[str, str]
    images: list[str]
    commands: list[tuple[list[str], list[str]]]


def layouts() -> Iterator[Layout]:
    chapter = _PAGE.partition("\n## Layouts by example\n")[2].partition("\n## ")[0]
    for section in re.split(r"^### ", chapter, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        images = [name for listed in _IMAGES.findall(body) for name in re.findall(r"`([^`]+)`", listed)]
        commands = [
            (shlex.split(line), printed.splitlines())
            for block in _COMMAND.findall(body)
            for line, printed in _SHOWN.findall(block)
        ]
        yield Layout(title, dict(_FILE.findall(body)), images, commands)


def picture(name: str) -> bytes:
    """An image of its own for every name."""
    colours = np.random.default_rng(zlib.crc32(name.encode())).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    kind = "PNG" if name.lower().endswith(".png") else "JPEG"
    Image.fromarray(colours).resize((64, 48), Image.Resampling.BICUBIC).save(file, kind)
    return file.getvalue()


def write(path: Path, text: str) -> None:
    """A file as the page shows it: a tar by its members, a Parquet table by its rows, others by what is in them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tar":
        with tarfile.open(path, "w") as archive:
            for line in text.splitlines():
                name, _, content = line.partition(": ")
                data = content.encode() if content else picture(str(path) + name)
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([json.loads(line) for line in text.splitlines()]), path)
    else:
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("layout", list(layouts()), ids=lambda layout: layout.title)
def test_an_example_in_the_docs_builds_what_it_says(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in layout.files.items():
        write(Path(name), text)
    for name in layout.images:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(picture(name))
    assert layout.commands
    for words, printed in layout.commands:
        status = main(words)
        said = capsys.readouterr()
        assert status == 0, said.err
        assert printed
        for line in printed:
            assert line in (said.out + said.err).splitlines()


def test_every_layout_has_an_example() -> None:
    shown = {words[2] for layout in layouts() for words, _ in layout.commands if words[:2] == ["corpus", "build"]}
    assert shown == READERS.keys() - {"pictures"}
