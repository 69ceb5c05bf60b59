"""Tasks from folders and tables: which images are the test, and which labels they have."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.conftest import MadeReader, encoded, picture
from wordsight.corpus import Example, build_corpus
from wordsight.corpus.build import BuildSettings
from wordsight.errors import InputError
from wordsight.evaluation import open_task


def _pictures(folder: Path, counts: dict[str, int]) -> Path:
    for place, count in counts.items():
        for i in range(count):
            file = folder / place / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            picture((50, 100, 150), noise=hash((place, i)) % 2**32).save(file)
    return folder


def test_a_folder_with_train_and_test_is_split_so(colour_folder: Path) -> None:
    task = open_task(f"folder:{colour_folder}")
    assert (task.name, task.class_names, task.multilabel) == ("colours", ["blue", "red"], False)
    assert (len(task.train), len(task.test)) == (24, 8)
    assert np.bincount(task.train.targets).tolist() == [12, 12]


def test_without_a_test_folder_val_is_the_test(tmp_path: Path) -> None:
    counts = {"train/a": 3, "train/b": 3, "val/a": 2, "val/b": 2}
    task = open_task(f"folder:{_pictures(tmp_path / 'x', counts)}")
    assert (len(task.train), len(task.test)) == (6, 4)
    counts |= {"test/a": 1, "test/b": 1}
    task = open_task(f"folder:{_pictures(tmp_path / 'y', counts)}")
    assert (len(task.train), len(task.test)) == (10, 2)
    assert task.split_rule == "train and val, test"


def test_without_splits_a_fixed_fifth_is_the_test_whatever_the_files_are_called(tmp_path: Path) -> None:
    folder = _pictures(tmp_path / "x", {"a": 20, "b": 10})
    before = open_task(f"folder:{folder}")
    drawn = "the test is 6 of 30 images, a fifth of each class chosen by their content"
    assert before.notes == [f"it has no splits: {drawn}"], "a split that was drawn is said"
    assert (len(before.train), len(before.test)) == (24, 6)
    assert np.bincount(before.test.targets).tolist() == [4, 2]
    assert not set(before.train.hashes) & set(before.test.hashes)
    for i, file in enumerate(sorted(folder.rglob("*.png"))):
        file.rename(file.with_name(f"renamed-{97 * i % 30:02d}.png"))
    after = open_task(f"folder:{folder}")
    assert set(after.test.hashes) == set(before.test.hashes)
    assert set(after.train.hashes) == set(before.train.hashes)


@pytest.mark.parametrize("layout", ["images", "rows"])
def test_a_table_gives_labels_by_its_flags(tmp_path: Path, layout: str) -> None:
    _pictures(tmp_path, {"photos": 10})
    table = tmp_path / "labels.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture_name", "kind", "split"])
        for i in range(10):
            split = ("test" if i < 4 else "train") if layout == "rows" else ""
            writer.writerow([f"{i}.png", "odd" if i % 2 else "even", split])
    task = open_task(f"table:{table}", image="picture_name", label="kind", images=tmp_path / "photos")
    assert task.class_names == ["even", "odd"]
    assert (len(task.train), len(task.test)) == ((6, 4) if layout == "rows" else (8, 2))
    assert task.name == f"{tmp_path.name}-labels"


def test_a_table_with_several_labels_in_a_cell_is_multilabel(tmp_path: Path) -> None:
    _pictures(tmp_path, {".": 12})
    rows = "".join(f"{i}.png,{'sea|sky' if i % 2 else 'sky'}\n" for i in range(12))
    (tmp_path / "labels.csv").write_text("image,label\n" + rows, "utf-8")
    task = open_task(f"table:{tmp_path / 'labels.csv'}")
    assert task.multilabel
    assert task.train.targets.shape[1] == 2
    assert (task.train.targets[:, 1] == 1).all()


def _table(folder: Path, text: str, count: int = 4) -> str:
    _pictures(folder, {".": count})
    (folder / "t.csv").write_text(text, "utf-8")
    return f"table:{folder / 't.csv'}"


def test_a_tables_own_name_divides_nothing(tmp_path: Path) -> None:
    _pictures(tmp_path, {".": 12})
    (tmp_path / "test.csv").write_text("image,label\n" + "".join(f"{k}.png,{'ab'[k % 2]}\n" for k in range(12)))
    task = open_task(f"table:{tmp_path / 'test.csv'}")
    assert len(task.train) > len(task.test) > 0


def test_an_image_in_two_splits_is_refused(tmp_path: Path) -> None:
    rows = "0.png,a,train\n1.png,b,train\n2.png,a,test\n0.png,b,test\n"
    with pytest.raises(
        InputError, match=r"0\.png has rows of the splits train and test \(row 5\); expected each image in"
    ):
        open_task(_table(tmp_path, "image,label,split\n" + rows))


def test_a_few_images_of_several_labels_are_said(tmp_path: Path) -> None:
    rows = "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(40))
    task = open_task(_table(tmp_path, f"image,label\n{rows}0.png,b\n", 40))
    assert task.multilabel
    expected = "1 of 40 images has several labels, such as 0.png: measured as several labels an image"
    assert task.notes[0] == expected
    both = "".join(f"{i}.png,{'ab'[(i + 1) % 2]}\n" for i in range(4))
    assert "several labels" not in " ".join(open_task(_table(tmp_path, f"image,label\n{rows}{both}", 40)).notes)


@pytest.mark.parametrize(
    ("kind", "header", "label", "message"),
    [
        ("table", "image,label,label", None, "2 columns are called 'label'"),
        ("multilabel", "image,a,a", None, "2 columns are called 'a'; expected one column of each name"),
        ("multilabel", "image,a,b", "a,a", "label names the column 'a' twice"),
    ],
)
def test_a_column_that_is_there_twice_is_refused(
    tmp_path: Path, kind: str, header: str, label: str | None, message: str
) -> None:
    spec = _table(tmp_path, header + "\n" + "".join(f"{i}.png,{i % 2},1\n" for i in range(4)))
    with pytest.raises(InputError, match=message):
        open_task(f"{kind}:{spec.partition(':')[2]}", label=label)


@pytest.mark.parametrize("kind", ["table", "multilabel"])
def test_what_a_table_can_be_mended_by_names_no_flag_that_tasks_lack(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes("image,label\n0.png,é\n".encode("latin-1"))
    with pytest.raises(InputError, match="line 2: byte 0xe9 is not UTF-8; save it as UTF-8$"):
        open_task(f"{kind}:{file}")
    file.write_text('image,label\n0.png,"1\n', "utf-8")
    with pytest.raises(InputError, match="close the quotes there$"):
        open_task(f"{kind}:{file}")


def test_a_row_that_is_left_out_is_named(tmp_path: Path) -> None:
    rows = [f"{i}.png,{'ab'[i % 2]}\n" for i in range(50)]
    rows[24] = "24.png\n"
    task = open_task(_table(tmp_path, "image,label\n" + "".join(rows), 50))
    why = "row 26 (broken row: 1 cells, the first line has 2)"
    assert task.notes[0] == f"1 row could not be used and was left out: {why}"
    rows[30] = "30.png\n"
    task = open_task(_table(tmp_path, "image,label\n" + "".join(rows), 50))
    assert task.notes[0] == f"2 rows could not be used and were left out, such as {why}"


def test_the_labels_of_a_corpus_are_a_task(tmp_path: Path) -> None:
    examples = [
        Example(
            f"{i}",
            encoded(picture((9 * i, 0, 0), noise=i)),
            labels=(["x", "y"][i % 2],),
            split=["train", "test"][i > 7],
        )
        for i in range(12)
    ]
    corpus = build_corpus(MadeReader(examples), tmp_path / "made")
    task = open_task(str(corpus.path))
    assert (task.name, task.class_names) == ("made", ["x", "y"])
    assert (len(task.train), len(task.test)) == (8, 4)
    assert bytes(task.test.images[0]) == bytes(corpus.image_bytes(8))
    assert open_task(f"corpus:{corpus.path}").fingerprint == task.fingerprint
    smaller = build_corpus(MadeReader(examples), tmp_path / "smaller", BuildSettings(shorter_side=16))
    assert open_task(str(smaller.path)).fingerprint != task.fingerprint, "the same photos, stored in another size"


def test_xml_files_of_a_labelling_tool_are_a_task(tmp_path: Path) -> None:
    for k in range(8):
        (tmp_path / "set" / "JPEGImages").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "Annotations").mkdir(exist_ok=True)
        (tmp_path / "set" / "JPEGImages" / f"{k}.png").write_bytes(encoded(picture((30 * k, 0, 0), noise=k)))
        objects = f"<object><name>{'cow' if k % 2 else 'dog'}</name></object>"
        objects += "<object><name>sheep</name><difficult>1</difficult></object>" if k == 0 else ""
        (tmp_path / "set" / "Annotations" / f"{k}.xml").write_text(f"<annotation>{objects}</annotation>")
    task = open_task(f"voc:{tmp_path / 'set'}")
    assert (task.class_names, task.multilabel, len(task.train) + len(task.test)) == (["cow", "dog", "sheep"], True, 8)
    assert (np.concatenate([task.train.targets, task.test.targets])[:, 2] == -1).sum() == 1


def test_images_that_nothing_installed_reads_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("wordsight.evaluation.tasks.task", "wordsight.corpus.left_out"):
        monkeypatch.setattr(f"{module}.decoder_packages", lambda: {".rare": "pillow-rare"})
    folder = _pictures(tmp_path / "set", {"cat": 6, "dog": 6})
    (folder / "cat" / "more.rare").write_bytes(b"...")
    (folder / "cat" / "notes.md").write_bytes(b"...")
    said = "images that were not read: .rare (1 file, pip install pillow-rare to read them)"
    assert said in open_task(f"folder:{folder}").notes


def test_unlabelled_images_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = _pictures(tmp_path / "x", {"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2, "train": 3})
    task = open_task(f"folder:{folder}")
    assert len(task.train) == 8
    assert task.notes == ["3 images without a label (3 of train) were left out"]


def test_the_fingerprint_is_of_images_and_labels(colour_folder: Path) -> None:
    before = open_task(f"folder:{colour_folder}").fingerprint
    assert open_task(f"folder:{colour_folder}").fingerprint == before
    (colour_folder / "train" / "red" / "0.png").rename(colour_folder / "train" / "blue" / "red-0.png")
    assert open_task(f"folder:{colour_folder}").fingerprint != before


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("folders:{x}", "unknown kind of task 'folders'.*did you mean 'folder'"),
        ("{x}", "names no labelled images; expected folder:DIR, voc:DIR"),
        ("folder:", "names no labelled images"),
        ("folder:{x}/absent", "no such folder"),
        ("folder:{x}", "no image was found"),
        ("corpus:{x}", "is not a corpus"),
        ("voc:{x}", "no "),
        ("table:{x}/absent.csv", "absent.csv"),
    ],
)
def test_what_is_no_task_is_one_clear_line(tmp_path: Path, spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_task(spec.format(x=tmp_path))
    assert "\n" not in str(caught.value)


def test_flags_of_another_layout_are_refused(colour_folder: Path) -> None:
    with pytest.raises(InputError, match="folder tasks have no `label`"):
        open_task(f"folder:{colour_folder}", label="name", image=None)


def test_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every image is of the one class 'a'"):
        open_task(f"folder:{_pictures(tmp_path / 'x', {'a': 3})}")


def test_captioned_images_without_labels_are_no_task(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image has a label"):
        open_task(f"folder:{_pictures(tmp_path / 'x', {'.': 3})}")


def test_splits_of_other_names_are_refused(tmp_path: Path) -> None:
    _pictures(tmp_path, {".": 4})
    rows = "".join(f"{i}.png,{'ab'[i % 2]},fold{i % 2}\n" for i in range(4))
    (tmp_path / "t.csv").write_text("image,label,split\n" + rows, "utf-8")
    with pytest.raises(InputError, match=r"has the splits fold0, fold1; expected train and test"):
        open_task(f"table:{tmp_path / 't.csv'}")


def test_too_many_rows_without_an_image_name_are_refused(tmp_path: Path) -> None:
    _pictures(tmp_path, {".": 4})
    rows = "".join(f"{'' if i == 2 else f'{i}.png'},{'ab'[i % 2]}\n" for i in range(4))
    (tmp_path / "t.csv").write_text("image,label\n" + rows, "utf-8")
    with pytest.raises(InputError, match="1 of 4 rows can't be used"):
        open_task(f"table:{tmp_path / 't.csv'}")


def test_an_absent_image_is_named(tmp_path: Path) -> None:
    _pictures(tmp_path, {".": 4})
    rows = "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(5))
    (tmp_path / "t.csv").write_text("image,label\n" + rows, "utf-8")
    with pytest.raises(InputError, match=r"4\.png can't be read"):
        open_task(f"table:{tmp_path / 't.csv'}")


@pytest.mark.parametrize(
    ("spec", "classes", "train", "test", "multilabel"),
    [
        ("folder:imagenette", 10, 2000, 800, False),
        ("folder:cifar10", 10, 5000, 1000, False),
        ("voc:voc_animals", 5, 1804, 1804, True),
        ("voc:ucm", 17, 1890, 210, True),
        ("table:imagenette/labels.csv", 10, 2000, 800, False),
    ],
)
def test_real_tasks_have_the_images_that_they_should(
    shared_data: Path, spec: str, classes: int, train: int, test: int, multilabel: bool
) -> None:
    kind, place = spec.split(":")
    task = open_task(f"{kind}:{shared_data / place}", label="name" if kind == "table" else None)
    assert (len(task.class_names), len(task.train), len(task.test), task.multilabel) == (
        classes,
        train,
        test,
        multilabel,
    )
    assert not set(task.train.hashes) & set(task.test.hashes)
    assert all(Path(str(task.test.images[i])).is_file() for i in (0, -1))


def test_voc_lists_are_read_as_written(shared_data: Path) -> None:
    task = open_task(f"voc:{shared_data / 'voc_animals'}")
    lists = shared_data / "voc_animals" / "ImageSets" / "Main"
    for k, name in enumerate(task.class_names):
        lines = [line.split() for line in (lists / f"{name}_test.txt").read_text("utf-8").splitlines()]
        assert {line[0] for line in lines if line[1] == "1"} == {
            task.test.ids[int(i)] for i in np.flatnonzero(task.test.targets[:, k] == 1)
        }
        assert sum(line[1] == "0" for line in lines) == (task.test.targets[:, k] == -1).sum()
