"""Coverage: what each matcher takes for naming a class, counted by hand, and the picture against accuracy."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tests.conftest import MakeCorpus
from wordsight import api
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.evaluation.results.result import Result
from wordsight.explain.coverage.count import accuracy_of, coverage, print_coverage, read_classes
from wordsight.explain.coverage.plot import plot_coverage

CAPTIONS = [
    ["two dogs and a cattle guard", "the dog runs over grass"],
    ["a chain saw on the table", "another photo of the saw"],
    ["chain saws are loud here", "loud saws in the wood"],
    ["CHURCH on a hill today", "hot dog with some mustard"],
]
CLASSES = ["dog", "cat", "chain_saw", "church", "parachute"]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus(CAPTIONS, ["train", "train", "test", "test"])


def test_matchers_count_images_by_hand(corpus: Corpus) -> None:
    pytest.importorskip("spacy")
    found = coverage(corpus, CLASSES)
    counts = {name: one.images_K.tolist() for name, one in found.found.items()}
    assert counts == {"exact": [2, 0, 1, 1, 0], "lemma": [2, 0, 2, 1, 0], "substring": [2, 1, 2, 1, 0]}
    assert [found.found[name].share for name in counts] == [60, 60, 80]
    assert found.found["lemma"].images_per_class == pytest.approx(5 / 3)
    assert (found.images, found.captions) == (4, 8)
    assert found.vocabulary == len({word for texts in CAPTIONS for text in texts for word in text.lower().split()})
    assert found.class_vocabulary == 6
    assert found.concepts is not None
    assert 10 < found.concepts < found.vocabulary


def test_plurals_name_a_class_by_lemma_and_garments_do_not(make_corpus: MakeCorpus) -> None:
    pytest.importorskip("spacy")
    captions = [
        ["three men show their teeth"],
        ["two wine glasses beside vases of cookies"],
        ["axes lie in the grass"],
        ["a boy in shorts gets off one of the buses"],
    ]
    classes = ["man", "tooth", "wine glass", "vase", "cookie", "axe", "axis", "axes", "bus", "short", "glasses", "gras"]
    found = coverage(make_corpus(captions), classes, matchers=["lemma"]).found["lemma"]
    named = [name for name, images in zip(classes, found.images_K, strict=True) if images]
    assert named == ["man", "tooth", "wine glass", "vase", "cookie", "axe", "axis", "axes", "bus", "glasses"]
    one_glass = coverage(make_corpus([["a glass of wine"]], name="b"), ["glasses", "glass"], matchers=["lemma"])
    assert one_glass.found["lemma"].images_K.tolist() == [0, 1]


def test_a_split_and_some_matchers_alone(corpus: Corpus) -> None:
    found = coverage(corpus, {"n1": ("saw", "chain saw"), "n2": ("church",)}, split="test", matchers=["exact"])
    assert found.found["exact"].images_K.tolist() == [0, 1]
    assert found.concepts is None


def test_classes_are_read_from_lists_and_tables(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("# a list\ndog\n\nFrench_horn\ntench, Tinca tinca\n")
    assert read_classes(tmp_path / "names.txt") == {
        "dog": ("dog",),
        "French_horn": ("French horn",),
        "tench, Tinca tinca": ("tench", "Tinca tinca"),
    }
    (tmp_path / "names.csv").write_text("file_name,label,name\na.jpg,n1,dog\nb.jpg,n1,dog\nc.jpg,n2,gas pump\n")
    assert read_classes(tmp_path / "names.csv") == {"n1": ("dog",), "n2": ("gas pump",)}
    (tmp_path / "names.jsonl").write_text('{"label": "n1", "name": ["dog", "hound"]}')
    assert read_classes(tmp_path / "names.jsonl") == {"n1": ("dog", "hound")}


def result_of(**values: float) -> Result:
    return Result("imagenette", "zero-shot", "top-1 accuracy", 50.0, per_class=values, model="a")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("label,name\nn01440764,tench, Tinca tinca\nn2,dog\n", "row 2 is broken .3 cells"),
        ("label,name\nn01440764,\nn2,dog\n", "n01440764 has no name"),
    ],
)
def test_a_class_is_never_left_out_without_a_word(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text(content)
    with pytest.raises(InputError, match=said):
        read_classes(tmp_path / "classes.csv")


def test_a_class_is_shown_by_its_words_and_not_by_its_code(corpus: Corpus) -> None:
    found = coverage(corpus, {"n02084071": ["n02084071", "dog"], "n0": ["n0"]})
    assert [found.shown(k) for k in range(2)] == ["dog", "n0"]


def test_accuracy_is_found_by_the_class_or_its_name(corpus: Corpus) -> None:
    found = coverage(corpus, {"n1": ("dog",), "n2": ("church",), "n3": ("cat",)}, matchers=["exact"])
    np.testing.assert_array_equal(accuracy_of(found, result_of(n1=10.0, church=20.0)), [10, 20, np.nan])
    with pytest.raises(InputError, match="has a value for none of the classes; expected classes such as x"):
        accuracy_of(found, result_of(x=1.0))


def test_pictures_and_numbers_are_written(corpus: Corpus, tmp_path: Path) -> None:
    result = result_of(dog=90.0, cat=5.0, church=40.0)
    result.write(tmp_path / "results")
    file = tmp_path / "results" / "imagenette" / "zero-shot.json"
    found = api.coverage(corpus, CLASSES, matchers=["exact", "substring"], results=file, out=tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as drawn:
        assert drawn.size[0] > 500
    plot_coverage(found, tmp_path / "alone.svg")
    assert "<svg" in (tmp_path / "alone.svg").read_text()
    api.coverage(corpus, CLASSES, matchers=["exact"], out=tmp_path / "numbers.json")
    assert '"percent_of_classes": 60.0' in (tmp_path / "numbers.json").read_text()


@pytest.mark.parametrize("names", [["dog"], ["zebra"], ["dog", "zebra"]])
def test_one_class_or_none_that_is_named_is_still_a_picture(corpus: Corpus, names: list[str], tmp_path: Path) -> None:
    plot_coverage(api.coverage(corpus, names), tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as drawn:
        coloured = np.asarray(drawn.convert("HSV"))[:, :, 1] > 100
    # A line from the left to the right; the legend's are short.
    assert coloured.any(0).sum() > 0.4 * coloured.shape[1]


def test_the_table_is_printed(corpus: Corpus) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    print_coverage(coverage(corpus, CLASSES, matchers=["exact", "substring"]), console)
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert any(line.startswith("corpus, all: 4 images, 8 captions") for line in lines)
    assert "exact 60.0 1.3" in lines
    assert any(line.startswith("named in the fewest images (exact): cat 0, parachute 0") for line in lines)


def test_what_can_t_be_counted_is_refused(corpus: Corpus, make_corpus: MakeCorpus, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown matcher 'lemmas'.*did you mean 'lemma'"):
        coverage(corpus, CLASSES, matchers=["lemmas"])
    bare = make_corpus([[], []], name="bare", labels=[["a"], ["b"]])
    with pytest.raises(InputError, match="bare: the split 'all' has no captions"):
        coverage(bare, CLASSES, matchers=["exact"])
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match="empty.txt holds no class name"):
        api.coverage(corpus, tmp_path / "empty.txt")
    with pytest.raises(InputError, match="nowhere.txt: no such file"):
        api.coverage(corpus, tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match="^results is drawn into a picture; name the picture"):
        api.coverage(corpus, CLASSES, results=tmp_path / "x.json")
    with pytest.raises(InputError, match="the ending '.txt' is of no picture"):
        api.coverage(corpus, CLASSES, matchers=["exact"], out=tmp_path / "plot.txt")
