"""`wordsight coverage` from the words of a command line to a table and a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeCorpus
from wordsight.cli import main


def test_coverage_prints_a_table_and_draws(
    make_corpus: MakeCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus([["a dog runs on grass"], ["two cats sleep on grass"]])
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    words = ["coverage", str(corpus.path), "--classes", str(tmp_path / "names.txt"), "--matchers", "exact,substring"]
    assert main([*words, "--out", str(tmp_path / "plot.png")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "exact 50.0 1.0" in said
    assert "substring 100.0 1.0" in said
    assert f"wrote {tmp_path / 'plot.png'}" in said
    assert (tmp_path / "plot.png").is_file()


def test_a_corpus_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "names.txt").write_text("dog\n")
    assert main(["coverage", str(tmp_path / "nowhere"), "--classes", str(tmp_path / "names.txt")]) == 2
    assert "is not a corpus" in capsys.readouterr().err
