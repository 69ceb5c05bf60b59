"""Labels from tables with a column a class or several labels a cell, from COCO's instances, and names of classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.conftest import picture
from wordsight.errors import InputError
from wordsight.evaluation import open_task


def _photos(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        picture((9 * i, 90, 90), noise=i).save(folder / f"{i}.png")
    return folder


def test_a_column_for_each_class_is_a_task_of_several_labels(tmp_path: Path) -> None:
    _photos(tmp_path / "images", 6)
    rows = "0.png,train,1,0\n1.png,train,0,1\n2.png,train,1,\n3.png,train,0.0,true\n4.png,test,1,-1\n5.png,test,0,1\n"
    (tmp_path / "multilabels.csv").write_text("file_name,split,sea,sky\n" + rows, "utf-8")
    for spec in (tmp_path, tmp_path / "multilabels.csv"):
        task = open_task(f"multilabel:{spec}")
        assert (task.name, task.class_names, task.multilabel) == (f"{tmp_path.name}-multilabels", ["sea", "sky"], True)
        assert task.train.targets.tolist() == [[1, 0], [0, 1], [1, -1], [0, 1]]
        assert task.test.targets.tolist() == [[1, -1], [0, 1]]
    one = open_task(f"multilabel:{tmp_path}", label="sky")
    assert one.class_names == ["sky"]


def test_a_cell_that_is_no_label_is_named(tmp_path: Path) -> None:
    _photos(tmp_path, 2)
    (tmp_path / "t.csv").write_text("image,sea,note\n0.png,1,fine\n1.png,0,\n", "utf-8")
    with pytest.raises(InputError, match=r"row 2, column 'note' is 'fine'; expected 1, 0, or -1.*label='a,b,c'"):
        open_task(f"multilabel:{tmp_path / 't.csv'}")
    with pytest.raises(InputError, match="unknown label column 'see'.*did you mean 'sea'"):
        open_task(f"multilabel:{tmp_path / 't.csv'}", label="see")
    with pytest.raises(InputError, match=r"holds no table multilabels\.csv"):
        open_task(f"multilabel:{tmp_path}")
    with pytest.raises(InputError, match="no such folder"):
        open_task(f"multilabel:{tmp_path / 't.csv'}", label="sea", images=tmp_path / "absent")


def test_labels_in_a_cell_may_have_another_separator(tmp_path: Path) -> None:
    _photos(tmp_path, 8)
    rows = "".join(f"{i}.png,{'sea; sky' if i % 2 else 'sky'}\n" for i in range(8))
    (tmp_path / "t.csv").write_text("image,label\n" + rows, "utf-8")
    task = open_task(f"table:{tmp_path / 't.csv'}", separator=";")
    assert (task.class_names, task.multilabel) == (["sea", "sky"], True)
    assert not open_task(f"table:{tmp_path / 't.csv'}").multilabel
    with pytest.raises(InputError, match="separator is empty"):
        open_task(f"table:{tmp_path / 't.csv'}", separator="")


def test_a_table_finds_its_images_in_a_folder_beside_it(tmp_path: Path) -> None:
    _photos(tmp_path / "images", 10)
    rows = "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(10))
    (tmp_path / "t.csv").write_text("image,label\n" + rows, "utf-8")
    assert len(open_task(f"table:{tmp_path / 't.csv'}").train) == 8


@pytest.mark.parametrize(
    ("spec", "classes", "multilabel", "train", "test"),
    [
        ("table:ucm/labels.csv", 21, False, 1680, 420),
        ("multilabel:ucm", 17, True, 1680, 420),
        ("voc:ucm", 17, True, 1890, 210),
    ],
)
def test_both_labelings_of_ucm_are_one_command(
    shared_data: Path, spec: str, classes: int, multilabel: bool, train: int, test: int
) -> None:
    kind, _, place = spec.partition(":")
    task = open_task(f"{kind}:{shared_data / place}")
    assert (len(task.class_names), task.multilabel) == (classes, multilabel)
    assert (len(task.train), len(task.test)) == pytest.approx((train, test), abs=5)


def test_ucms_two_forms_of_labels_agree(shared_data: Path) -> None:
    lists, table = open_task(f"voc:{shared_data / 'ucm'}"), open_task(f"multilabel:{shared_data / 'ucm'}")
    assert lists.class_names == sorted(table.class_names)
    columns = [list(table.class_names).index(name) for name in lists.class_names]
    said = {
        Path(name).stem: row.tolist()
        for part in (table.train, table.test)
        for name, row in zip(part.ids, part.targets[:, columns], strict=True)
    }
    for part in (lists.train, lists.test):
        assert all(said[name] == row.tolist() for name, row in zip(part.ids, part.targets, strict=True))


def _instances(file: Path, count: int, first: int = 0, **changes: Any) -> Path:
    """Image i holds a dog where i is even, and a crowd of people where i is a multiple of 3."""
    content = {
        "images": [{"id": 10 + i, "file_name": f"{i}.png"} for i in range(first, first + count)],
        "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}, {"id": 44, "name": "bottle"}],
        "annotations": [
            *(
                {"image_id": 10 + i, "category_id": 18, "segmentation": [[0.5, 1.5]]}
                for i in range(first, first + count)
                if i % 2 == 0
            ),
            *({"image_id": 10 + i, "category_id": 1, "iscrowd": 1} for i in range(first, first + count) if i % 3 == 0),
            {"image_id": 10 + first, "category_id": 1, "iscrowd": 0},
        ],
    } | changes
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), "utf-8")
    return file


def test_objects_of_coco_are_labels_and_crowds_are_ignored(tmp_path: Path) -> None:
    _photos(tmp_path / "images", 12)
    train, test = _instances(tmp_path / "a.json", 8), _instances(tmp_path / "b.json", 4, first=8)
    task = open_task(f"coco-labels:{train}", test=test)
    assert (task.name, task.class_names, task.multilabel) == ("a", ["person", "dog", "bottle"], True)
    assert (len(task.train), len(task.test)) == (8, 4)
    # The first image has a person beside its crowd; images 3 and 6 a crowd alone.
    assert task.train.targets[:, 0].tolist() == [1, 0, 0, -1, 0, 0, -1, 0]
    assert task.train.targets[:, 1].tolist() == [1, 0, 1, 0, 1, 0, 1, 0]
    assert (task.train.targets[:, 2] == 0).all()


def test_a_file_alone_is_split_by_content(tmp_path: Path) -> None:
    _photos(tmp_path / "photos", 20)
    task = open_task(f"coco-labels:{_instances(tmp_path / 'a.json', 20)}", images=tmp_path / "photos")
    assert (len(task.train), len(task.test)) == (16, 4)


@pytest.mark.parametrize("above", ["", "images"])
def test_the_folder_that_coco_unpacks_to_will_do(tmp_path: Path, above: str) -> None:
    for part, count in (("train2017", 8), ("val2017", 4)):
        first = 0 if count == 8 else 8
        _photos(tmp_path / above / part, 12)
        _instances(tmp_path / "annotations" / f"instances_{part}.json", count, first)
    task = open_task(f"coco-labels:{tmp_path}")
    assert (len(task.train), len(task.test), task.split_rule) == (8, 4, "train, val as test")
    (tmp_path / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(InputError, match=r"no instances_val\*\.json; expected one file of train and one of val"):
        open_task(f"coco-labels:{tmp_path}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": 3}, "has the keys images, categories, annotations; expected COCO instances"),
        ({"categories": [{"id": 1}]}, "the category .* has no id or name"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}, "one id or one name"),
        ({"categories": [{"id": [1], "name": "a"}]}, "the category .* has no id or name"),
        ({"annotations": [{"image_id": 10, "category_id": 7}]}, "annotation 1 has the category_id 7"),
        (
            {"annotations": [{"image_id": 10, "category_id": [1]}]},
            r"annotation 1 has the category_id \[1\], which is no",
        ),
        ({"annotations": [{"image_id": [1], "category_id": 1}]}, "annotation 1 has no image_id that is a"),
        ({"annotations": [{"image_id": {}, "category_id": 1}]}, "annotation 1 has no image_id that is a"),
        ({"images": [{"id": 1}]}, "1 of 1 rows can't be used"),
        ({"images": [{"id": 1, "file_name": "../x.png"}]}, "outside the folder"),
    ],
)
def test_what_is_wrong_with_an_instances_file_is_one_clear_line(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_task(f"coco-labels:{_instances(tmp_path / 'a.json', 4, **changes)}")
    assert "\n" not in str(caught.value)


def test_absent_or_broken_instances_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_task(f"coco-labels:{tmp_path / 'absent.json'}")
    (tmp_path / "broken.json").write_text('{"images": [', "utf-8")
    with pytest.raises(InputError, match="can't be read"):
        open_task(f"coco-labels:{tmp_path / 'broken.json'}")
    with pytest.raises(InputError, match="no such folder"):
        open_task(f"coco-labels:{_instances(tmp_path / 'a.json', 2)}", images=tmp_path / "absent")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("names.json", '{"a": "ape", "b": "bee"}'),
        ("index.json", '{"0": ["a", "ape"], "1": ["b", "bee"]}'),
        ("names.csv", "wnid,count,name\na,3,ape\nb,3,bee\n"),
        ("names.csv", "a,ape\nb,bee\n"),
        ("names.tsv", "a\tape\nb\tbee\n"),
        ("mapping.txt", "a ape\nb bee\n"),
    ],
)
def test_class_folders_can_have_names_from_a_file(tmp_path: Path, file: str, text: str) -> None:
    for each in "ab":
        _photos(tmp_path / "x" / each, 5)
    (tmp_path / file).write_text(text, "utf-8")
    plain, named = open_task(f"folder:{tmp_path / 'x'}"), open_task(f"folder:{tmp_path / 'x'}", names=tmp_path / file)
    assert named.class_names == ["ape", "bee"]
    assert named.test.targets.tolist() == plain.test.targets.tolist()


def test_two_classes_of_one_name_stay_two_and_a_class_without_a_name_keeps_its_id(tmp_path: Path) -> None:
    for each in "abc":
        _photos(tmp_path / "x" / each, 5)
    (tmp_path / "names.txt").write_text("a crane\nb crane\n", "utf-8")
    task = open_task(f"folder:{tmp_path / 'x'}", names=tmp_path / "names.txt")
    assert task.class_names == ["crane (a)", "crane (b)", "c"]
    (tmp_path / "names.txt").write_text("q crane\n", "utf-8")
    with pytest.raises(InputError, match="has none of the classes; expected a, b, c"):
        open_task(f"folder:{tmp_path / 'x'}", names=tmp_path / "names.txt")
    with pytest.raises(InputError, match="no such file; expected names of classes"):
        open_task(f"folder:{tmp_path / 'x'}", names=tmp_path / "absent.txt")
    (tmp_path / "names.json").write_text("[1]", "utf-8")
    with pytest.raises(InputError, match="not a JSON object"):
        open_task(f"folder:{tmp_path / 'x'}", names=tmp_path / "names.json")
