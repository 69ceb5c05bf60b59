"""Sentences are read from captions, text files and tables, and what can't be read is said in one line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.errors import InputError
from wordsight.language.texts import SentenceReader, texts_of_file

COCO = {"annotations": [{"image_id": 1, "caption": "ein Hund"}, {"image_id": 1, "caption": "zwei Hunde"}]}
KARPATHY = {"images": [{"filename": "a.jpg", "sentences": [{"raw": "ein Hund"}, {"raw": "zwei Hunde"}]}]}


@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("lines.txt", "ein Hund\nzwei Hunde\n", None),
        ("windows.txt", "\ufeffein Hund\r\nzwei Hunde\r\n", None),
        ("numbers.tsv", "a.jpg\tein Hund\na.jpg\tzwei Hunde\n", "2"),
        ("names.tsv", "image\tcaption\na.jpg\tein Hund\na.jpg\tzwei Hunde\n", "caption"),
        ("token.txt", "a.jpg#0\tein Hund\na.jpg#1\tzwei Hunde\n", "2"),
        ("flickr.token", "a.jpg#0\tein Hund\na.jpg#1\tzwei Hunde\n", "2"),
        ("head.txt", "image\tcaption\na.jpg\tein Hund\na.jpg\tzwei Hunde\n", "2"),
        ("named.token", "image\tcaption\na.jpg\tein Hund\na.jpg\tzwei Hunde\n", "caption"),
        ("results.csv", "image_name| number| comment\na.jpg| 0| ein Hund\na.jpg| 1| zwei Hunde\n", "comment"),
        ("numpy.csv", "image,caption\na.jpg,\"['ein Hund'\n 'zwei Hunde']\"\n", "caption"),
        ("structs.jsonl", '{"text": [{"raw": "ein Hund"}, {"raw": "zwei Hunde"}]}\n', "text"),
        ("one.csv", "ein Hund\nzwei Hunde\n", None),
        ("names.csv", 'image,caption\na.jpg,"ein Hund"\na.jpg,"zwei Hunde"\n', "caption"),
        ("rows.jsonl", '{"text": ["ein Hund", "zwei Hunde"]}\n', "text"),
        ("coco.json", json.dumps(COCO), None),
        ("karpathy.json", json.dumps(KARPATHY), None),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_layout_gives_its_sentences(
    name: str, content: str, column: str | None, packed: bool, tmp_path: Path
) -> None:
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    assert list(SentenceReader(files=(path,), column=column)) == ["ein Hund", "zwei Hunde"]


def test_empty_lines_are_left_out_and_blanks_are_single(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n  ein   Hund \n\n\t\n zwei\u00a0Hunde\n\n")
    texts = SentenceReader(files=(path,))
    assert list(texts) == ["ein Hund", "zwei Hunde"]
    assert list(texts) == ["ein Hund", "zwei Hunde"]  # read again, not used up


def test_a_quotation_mark_in_a_tsv_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('1\t"Halt" steht da\n2\tein "Hund\n')
    assert list(texts_of_file(path, "2")) == ['"Halt" steht da', 'ein "Hund']


def test_a_pattern_names_several_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).write_text(f"{name}\n")
    assert list(SentenceReader(files=(tmp_path / "*.txt", tmp_path / "c.md"))) == ["a.txt", "b.txt", "c.md"]


def test_captions_of_a_split_come_before_files(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = make_corpus([["ein Hund läuft"], ["eine Katze schläft"]], ["train", "test"])
    path = tmp_path / "a.txt"
    path.write_text("ein Satz\n")
    texts = SentenceReader(corpus, "train", files=(path,))
    assert list(texts) == ["ein Hund läuft", "ein Satz"]
    assert corpus.fingerprint in texts.sources[0]


@pytest.mark.parametrize(
    ("name", "content", "column", "said"),
    [
        ("a.txt", b"ein Hund\nM\xe4dchen\n", None, "line 2: byte 0xe4 is not UTF-8"),
        ("a.tsv", b"1\tM\xe4dchen\n", "2", "line 1: byte 0xe4 is not UTF-8"),
        ("a.json", b'{"annotations": [{"caption": "M\xe4dchen"}]}', None, "line 1: byte 0xe4 is not UTF-8"),
        ("a.csv", b"image,caption\na.jpg,M\xe4dchen\n", "caption", "line 2: byte 0xe4 is not UTF-8"),
        ("a.txt.gz", b"ein Hund\n", None, "can't be read"),
        ("a.csv", b"image,caption\na.jpg,ein Hund\n", "captoin", "did you mean 'caption'?"),
        ("a.tsv", b"a.jpg\tein Hund\n", "3", "unknown column '3'; expected one of: 1 ('a.jpg'), 2 ('ein Hund')"),
        ("a.tsv", b"a.jpg\tein Hund\n", "0", "unknown column '0'"),
        ("a.txt", b"a.jpg#0\tein Hund\n", None, "has 2 columns; expected `column`"),
        ("a.md", b"a.jpg\tein Hund\n", "2", "has no columns; expected a table: a name ending in .csv"),
        ("a.jsonl", b'{"text": 5}\n', "text", "1 of 1 rows hold no text (such as row 1: int 5)"),
        ("a.csv", b"a,b\n1,ein Hund\n2\n", "b", "1 of 2 rows hold no text (such as row 3: 1 cells"),
        ("a.tsv", b"a.jpg\tein Hund\n", None, "has 2 columns; expected `column`"),
        ("a.jsonl", b'{"image": "a.jpg", "text": "ein Hund"}\n', None, "expected `column`: one of: image, text"),
        ("a.json", b'["ein Hund"]', None, "holds no captions"),
        ("a.json", b'{"annotations"', None, "is not JSON"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    name: str, content: bytes, column: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        list(SentenceReader(files=(path,), column=column))
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_text_and_no_such_file_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no text is given"):
        SentenceReader()
    with pytest.raises(InputError, match="absent.txt: no such file"):
        SentenceReader(files=(tmp_path / "absent.txt",))
    with pytest.raises(InputError, match="no file has such a name"):
        SentenceReader(files=(tmp_path / "*.tsv",))
    with pytest.raises(InputError, match="^split: chooses among the captions of a corpus"):
        SentenceReader(split="train", files=(tmp_path,))


@dataclass(frozen=True)
class TwoLanguages:
    """A reader of one image with a caption in each of two languages."""

    image: Path

    def __iter__(self) -> Iterator[Example]:
        Image.new("RGB", (16, 16)).save(self.image)
        yield Example("a", self.image, ("a dog runs", "ein Hund läuft"), languages=("en", "de"))

    def sources(self) -> list[str]:
        return ["a test"]

    def label_names(self) -> list[str]:
        return []


def test_captions_of_one_language_are_chosen(tmp_path: Path) -> None:
    corpus = build_corpus(TwoLanguages(tmp_path / "a.png"), tmp_path / "corpus")
    assert list(SentenceReader(corpus, language="de")) == ["ein Hund läuft"]
    assert list(SentenceReader(corpus)) == ["a dog runs", "ein Hund läuft"]
    with pytest.raises(InputError, match="unknown language 'fr'"):
        list(SentenceReader(corpus, language="fr"))


def test_a_few_broken_rows_are_left_out_and_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.csv"
    path.write_text("image| comment\n" + "a.jpg| ein Hund\n" * 40 + "b.jpg  zwei\n")
    texts = SentenceReader(files=(path,), column="comment")
    assert len(list(texts)) == len(list(texts)) == 40
    said = " ".join(capsys.readouterr().err.split())
    assert said.endswith("1 of 41 rows hold no text and are left out (such as row 42: 1 cells, the first line has 2)")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marks_say_how_text_is_written(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("ein M\u00e4dchen\u2028lacht\rzwei Hunde".encode(encoding))
    assert list(texts_of_file(tmp_path / "a.txt")) == ["ein M\u00e4dchen\u2028lacht", "zwei Hunde"]
