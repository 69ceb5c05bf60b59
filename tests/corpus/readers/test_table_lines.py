"""Lines of tables: quotes that never close, cells of several lines, token files, columns without names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.readers.tables import examples
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.table import Table
from wordsight.corpus.tabular import TableFile
from wordsight.errors import InputError


def test_a_cell_that_swallows_rows_is_told_and_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{k}.jpg,a tower with the number {k}" for k in range(6)]
    rows[1], rows[2] = '1.jpg,"Cafe sign over a door', '2.jpg,a board of size 12"'
    path.write_text("\n".join(["image,caption", *rows]))
    found = list(Table(path))
    assert [each.id for each in found] == ["0.jpg", "row 3", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]
    assert found[1] == Rejected(
        "row 3", "example", "broken row", "a quote opens in line 3, and the cell runs on over rows that follow"
    )
    # The column of images last; a quote that is never closed; text after a quote that is closed.
    for broken, row in (
        ('caption,image\n"a sign,1.jpg\nsize 12",2.jpg\na dog,3.jpg\n', "row 2"),
        ('image,caption\n1.jpg,a dog\n2.jpg,"a sign\n3.jpg,a cat\n', "row 3"),
        ('image,caption\nmy photo.jpg,"a sign\n3.jpg,a red "cat"\n', "row 2"),
        ('id,image,caption\n1,a,"a sign\n2,3.jpg,a cat, that is red"\n3,3.jpg,a dog', "row 2 row 3"),
        ('image,caption\n1.jpg,"Stop" says the sign\n3.jpg,a cat\n', "row 2"),
    ):
        path.write_text(broken)
        found = list(Table(path))
        assert " ".join(each.id for each in found if isinstance(each, Rejected)) == row, found
        assert "3.jpg" in [each.id for each in found]


def test_a_cell_may_have_several_lines_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        'image,caption,article\na.jpg,"a dog\n  on a beach","Dogs, like wolves, bark.\nIn 1990, 3, 4"\nb,c,d\n'
    )
    first, second = examples(Table(path, article="article"))
    assert (first.captions, first.article) == (("a dog\n  on a beach",), "Dogs, like wolves, bark.\nIn 1990, 3, 4")
    assert second.id == "b"
    said = capsys.readouterr().err
    assert "t.csv: 1 row with a cell that runs over a line's end (the first is row 2); if that is wrong" in said


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_marks_and_line_ends_change_nothing(encoding: str, ends: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(ends.join(["image,caption", "a.jpg,un café\u2028chaud", "", "b.jpg,a dog", ""]).encode(encoding))
    assert [each.captions[0] for each in examples(Table(path))] == ["un café\u2028chaud", "a dog"]


@pytest.mark.parametrize("name", ["Flickr8k.token.txt", "results.token", "captions.tsv"])
@pytest.mark.parametrize("head", ["", "image\tcaption\n"])
def test_token_files_have_five_captions_an_image(name: str, head: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(
        head + "".join(f"{k}_ab.jpg#{j}\tA man , {j} kites .\n" for k in range(2) for j in range(5))
    )
    first, second = examples(Table(tmp_path / name))
    assert (first.id, first.image, len(first.captions)) == ("0_ab.jpg", tmp_path / "0_ab.jpg", 5)
    assert second.captions[4] == "A man , 4 kites ."


def test_results_with_pipes_are_read(tmp_path: Path) -> None:
    lines = ["image_name| comment_number| comment", *(f'1.jpg| {j}| "A" man , alone , {j} .' for j in range(5))]
    path = tmp_path / "results.csv"
    path.write_text("\n".join([*lines, "1.jpg| 5   A dog ."]))
    found = list(Table(path))
    assert [each.reason for each in found if isinstance(each, Rejected)] == ["broken row"]
    (example,) = [each for each in found if isinstance(each, Example)]
    assert example.captions[1].strip() == '"A" man , alone , 1 .'
    path.write_text("\n".join(line.replace("| ", "~") for line in lines))
    (example,) = examples(Table(path, separator="~"))
    assert len(example.captions) == 5
    with pytest.raises(InputError, match=r"separator: '::' can't be; expected one character, or tab"):
        list(Table(path, separator="::"))


@pytest.mark.parametrize("name", ["captions.txt", "captions.csv"])
def test_columns_without_names_are_numbered(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('7,a.jpg,"a dog, running"\n8,b.jpg,a cat sits\n')
    assert [each.captions for each in examples(Table(tmp_path / name))] == [("a dog, running",), ("a cat sits",)]
    assert Table(tmp_path / name, caption="1").columns == {"image": "2", "caption": "1"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ROCO_00001\tA scan.\nROCO_00002\tA scan of a lung.\n", ["ROCO_00001", "ROCO_00002"]),
        ("PMC1_f2\tA scan.\nPMC345_f1\tA scan of a lung.\n", ["PMC1_f2", "PMC345_f1"]),
        ("7\tA scan.\n8\tA scan of a lung.\n", ["7", "8"]),
        ("ROCO_00001\tscan\nROCO_00002\tA scan of a lung.\n", ["ROCO_00001", "ROCO_00002"]),
    ],
)
def test_names_without_endings_are_not_taken_for_names_of_columns(text: str, names: list[str], tmp_path: Path) -> None:
    """The first image of a file without a line of names is not lost."""
    (tmp_path / "captions.txt").write_text(text)
    for name in names:
        (tmp_path / f"{name}.jpg").touch()
    file = tmp_path / "captions.txt"
    for table in (Table(file), Table(file, image="1", caption="2")):
        found = examples(table)
        assert [each.id for each in found] == names
        assert found[1].captions == ("A scan of a lung.",)


@pytest.mark.parametrize("text", ["image,0,1\na,1,0\nb,0,1\n", "0,1\n5,6\n7,8\n", "id_1,text\n7,a dog\n8,a cat\n"])
def test_columns_that_are_called_by_numbers_have_these_names(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert TableFile(tmp_path / "t.csv").columns == text.partition("\n")[0].split(",")
