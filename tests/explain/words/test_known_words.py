"""`explain words` on a run whose output layer was written by hand, in one language and in two."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

import wordsight
from wordsight.cli import main
from wordsight.concepts.cached import concept_set_for
from wordsight.corpus import BuildSettings, Corpus, Example, build_corpus
from wordsight.errors import InputError
from wordsight.explain.words.feature_spread import feature_spread
from wordsight.explain.words.known_words import explain_words, nearest_of, similarity_of
from wordsight.explain.words.word_lists import ScoredPair
from wordsight.explain.words.word_space import WordSpace, word_spaces
from wordsight.heads.tag_head import TagHead
from wordsight.objectives import ConceptFacts, Facts, TagFacts, build_objective, tag_heads_of
from wordsight.training.kept_concepts import languages_of
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run import Run, new_backbone, write_start, write_weights
from wordsight.training.run_info import RunConcepts, RunInfo
from wordsight.vision.backbones import BackboneSettings

SAID = [
    ("a dog runs with a hand in winter", "ein Hund rennt mit einer Hand im Winter"),
    ("the dog has a ball", "der Hund hat einen Ball"),
    ("the ball lies on sand", "der Ball liegt auf Sand"),
]
Rows = Mapping[str, Mapping[str, list[float]]]
MakeWords = Callable[..., Run]


class Bilingual:
    """Six pictures with a caption in each language."""

    def __init__(self, jpeg: Callable[..., bytes]) -> None:
        self.jpeg = jpeg

    def __iter__(self) -> Iterator[Example]:
        for k in range(6):
            english, german = SAID[k % 3]
            yield Example(f"{k}.jpg", self.jpeg(k)).saying([(english, "en"), (german, "de")])

    def sources(self) -> list[str]:
        return ["a test"]

    def label_names(self) -> list[str]:
        return []


@pytest.fixture(scope="module")
def spoken(jpeg: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_corpus(Bilingual(jpeg), tmp_path_factory.mktemp("spoken") / "spoken", BuildSettings(shorter_side=40))


@pytest.fixture(scope="module")
def make_words(spoken: Corpus, tmp_path_factory: pytest.TempPathFactory) -> MakeWords:
    """``make(settings of each set, rows by word, tag_head)``: a run whose heads have these rows, padded with zeros."""

    def make(
        sets: Mapping[str, dict[str, object]],
        rows: Rows,
        tag_head: str = "linear",
        objective_name: str = "tag-prediction",
    ) -> Run:
        concepts = {name: concept_set_for(spoken, "words", values, "all") for name, values in sets.items()}
        values = {"tag_head": tag_head} if sets else {}
        settings = PretrainSettings(
            objective=objective_name,
            objective_settings=values,
            backbone_settings=BackboneSettings(stages=1),
            image_size=32,
            epochs=1,
            batch_size=2,
        )
        info = RunInfo(
            corpus=str(spoken.path),
            corpus_fingerprint=spoken.fingerprint,
            split="all",
            examples=6,
            concepts={
                name: RunConcepts(str(one.path), one.fingerprint, len(one), "labels") for name, one in concepts.items()
            },
            language=None,
            fields={},
            environment={},
            steps=3,
            finished=True,
        )
        path = tmp_path_factory.mktemp("runs") / "words"
        path.mkdir()
        write_start(path, settings, info)
        facts = Facts({"tags": TagFacts({name: ConceptFacts(len(one)) for name, one in concepts.items()})})
        objective = build_objective(objective_name, values, new_backbone(settings), facts)
        with torch.no_grad():
            for name, one in concepts.items():
                head = objective.get_submodule(f"tag_heads.heads.{name}")
                assert isinstance(head, TagHead)
                head.last.weight.zero_()
                for word, row in rows.get(name, {}).items():
                    head.last.weight[one.names.index(word), : len(row)] = torch.tensor(row)
        write_weights(path, objective, facts)
        return Run.open(path)

    return make


TWO = {"english": {"size": 13, "language": "en"}, "german": {"size": 15, "language": "de"}}
TWO_ROWS: Rows = {
    "english": {"dog": [1, 0, 0], "ball": [0, 1, 0], "sand": [0.1, 0.8, 0.6]},
    "german": {"hund": [1, 0.1, 0], "ball": [0, 1, 0.1], "der": [-1, 0, 0]},
}


@pytest.fixture(scope="module")
def two(make_words: MakeWords) -> Run:
    return make_words(TWO, TWO_ROWS)


def space_of(words: list[str], rows: list[list[float]]) -> WordSpace:
    vectors = np.array(rows, dtype=np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return WordSpace("words", "words", "", words, unit, np.ones(len(words), dtype=np.int64), True)


def test_among_few_words_the_nearest_are_those_of_the_largest_cosine() -> None:
    space = space_of(["dog", "puppy", "car", "cat"], [[1, 0], [3, 1], [0, 2], [1, 1]])
    (found,) = nearest_of([space], "Dog", most=2)
    assert [near.word for near in found.near["words"]] == ["puppy", "cat"]
    assert [near.cosine for near in found.near["words"]] == pytest.approx([3 / 10**0.5, 1 / 2**0.5])


def test_a_word_is_shown_beside_the_words_of_the_other_language(two: Run) -> None:
    found = explain_words(two, ["dog", "ball"], most=2, centre=False, images=0)
    dog, ball, auch_ball = found.nearest
    assert list(dog.near) == ["english", "german"]
    assert dog.near["german"][0].word == "hund"
    assert ball.near["english"][0].word == "sand"
    assert (ball.space, auch_ball.space) == ("english", "german")
    assert auch_ball.near["english"][0].word == "ball"
    assert dog.images == 4


def test_the_mean_of_a_head_s_rows_is_taken_from_each(make_words: MakeWords) -> None:
    sizes = {name: {**values, "size": 3} for name, values in TWO.items()}
    run = make_words(sizes, {})
    names = {name: run.concept_set(name).names for name in sizes}
    rows = {name: {word: [float(k), 1.0, 9.0] for k, word in enumerate(words)} for name, words in names.items()}
    plain, centred = (
        word_spaces(make_words(sizes, rows), centre=centre, images=0)[0].unit_KD for centre in (False, True)
    )
    assert (plain @ plain.T).min() > 0.9
    np.testing.assert_allclose((centred[0] @ centred.T)[2], -1, atol=1e-5)


def test_one_vocabulary_of_two_languages_comes_apart_by_its_captions(make_words: MakeWords, spoken: Corpus) -> None:
    run = make_words({"words": {"size": 20}}, {"words": {"dog": [1, 0, 0], "hund": [1, 0.1, 0], "sand": [0, 1, 0]}})
    language_of = dict(zip(run.concept_set().names, languages_of(run.concept_set(), spoken), strict=True))
    assert (language_of["dog"], language_of["hund"], language_of["a"]) == ("en", "de", "en")
    spaces = word_spaces(run)
    assert [(one.name, one.head, one.language) for one in spaces] == [
        ("words: de", "words", "de"),
        ("words: en", "words", "en"),
    ]
    (found,) = explain_words(run, ["dog"], centre=False, images=0).nearest
    assert found.near["words: de"][0].word == "hund"


def test_similarity_is_scipy_s_spearman_over_the_known_pairs() -> None:
    random = np.random.default_rng(0)
    words = [f"w{k}" for k in range(12)]
    space = space_of(words, random.normal(size=(12, 5)).tolist())
    pairs = [ScoredPair(words[k], words[11 - k], float(score)) for k, score in enumerate(random.normal(size=6))]
    cosines = [float(space.unit_KD[k] @ space.unit_KD[11 - k]) for k in range(6)]
    found = similarity_of([space_of(["none"], [[1, 0]]), space], [*pairs, ScoredPair("w1", "absent", 3)])
    assert found.spearman == pytest.approx(spearmanr(cosines, [pair.score for pair in pairs]).statistic)
    assert (found.known, found.pairs) == (6, 7)


def test_too_few_or_equal_scores_are_refused() -> None:
    space = space_of(["a", "b", "c", "d"], [[1, 0], [0, 1], [1, 1], [2, 1]])
    with pytest.raises(InputError, match="both words of 1 of 2 pairs"):
        similarity_of([space], [ScoredPair("a", "b", 1), ScoredPair("a", "z", 2)])
    with pytest.raises(InputError, match="the same score"):
        similarity_of([space], [ScoredPair("a", one, 1) for one in "bcd"])


def test_the_command_shows_tables_and_writes_what_it_found(
    two: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dictionary, similarity = tmp_path / "en-de.tsv", tmp_path / "similar.csv"
    dictionary.write_text("dog\tHund\nball\tBall\nsky\tHimmel\n", "utf-8")
    similarity.write_text("dog,ball,1\nball,sand,9\ndog,sand,2\nsky,moon,3\n", "utf-8")
    out = tmp_path / "words.json"
    line = ["explain", "words", str(two.path), "dog", "--most", "3", "--centre", "false", "--images", "0"]
    lists = ["--dictionary", str(dictionary), "--similarity", str(similarity), "--out", str(out)]
    assert main([*line, *lists]) == 0
    shown = capsys.readouterr().out
    for told in (
        "dog (english, 4 images)",
        "hund",
        "en to de: precision@1 100.0 % (chance 6.7 %)",
        "de to en",
        "3 of 4",
    ):
        assert told in shown
    found = json.loads(out.read_text("utf-8"))
    assert found["similarity"]["spearman"] == 1
    assert found["nearest"][0]["near"]["german"][0]["word"] == "hund"
    assert found["translations"][0]["known"] == 2


def test_an_unknown_word_suggests_the_nearest_spelling(two: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "words", str(two.path), "dogg"]) == 2
    assert "unknown word 'dogg'" in (said := capsys.readouterr().err)
    assert "did you mean 'dog'?" in said
    assert main(["explain", "words", str(two.path), "dgo"]) == 2
    assert "'dog'" in capsys.readouterr().err.partition("did you mean")[2]


def test_of_several_words_those_that_are_known_are_shown_and_then_the_others(
    two: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, list_ = tmp_path / "words.json", tmp_path / "scores.csv"
    list_.write_text("first,second,score\nxx,yy,1\nzz,vv,2\n", "utf-8")
    words = ["explain", "words", str(two.path), "dogg", "sand", "zebra", "--out", str(out)]
    assert main([*words, "--similarity", str(list_)]) == 2
    shown = capsys.readouterr()
    assert "sand (english" in shown.out
    assert f"wrote {out}" in shown.out
    lines = [line for line in shown.err.splitlines() if line.startswith("wordsight: ")]
    assert [line.split("unknown word ")[1].split(";")[0] for line in lines[:2]] == ["'dogg'", "'zebra'"]
    assert lines[2].startswith(f"wordsight: {list_}: ")
    assert {each["word"] for each in json.loads(out.read_text("utf-8"))["nearest"]} == {"sand"}


def test_words_may_stand_on_both_sides_of_a_flag(two: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "words", str(two.path), "dog", "--most", "2", "sand"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("dog (english") < shown.index("sand (english")


def test_photos_that_are_gone_are_not_needed_without_a_look_at_them(two: Run, spoken: Corpus, tmp_path: Path) -> None:
    (spoken.path / "corpus.json").rename(tmp_path / "corpus.json")
    try:
        with pytest.raises(InputError, match="give images=0 to compare the words without using photos"):
            explain_words(two, ["dog"])
        assert explain_words(two, ["dog"], images=0).nearest[0].near["german"][0].word == "hund"
    finally:
        (tmp_path / "corpus.json").rename(spoken.path / "corpus.json")


def test_rows_are_multiplied_by_the_root_of_what_photos_show(two: Run) -> None:
    objective = two.objective()
    heads = tag_heads_of(objective)
    assert heads is not None
    roots = feature_spread(two, objective, heads)
    for space in word_spaces(two, centre=False):
        head = heads.heads[space.name]
        assert isinstance(head, TagHead)
        rows_KD = head.last.weight.detach().numpy() @ roots[space.name]
        length_K1 = np.linalg.norm(rows_KD, axis=1, keepdims=True)
        np.testing.assert_allclose(space.unit_KD, rows_KD / np.maximum(length_K1, 1e-12), atol=1e-5)
        without = next(one for one in word_spaces(two, centre=False, images=0) if one.name == space.name)
        assert np.abs(space.unit_KD - without.unit_KD).max() > 0.1


def test_few_photos_are_told_to_say_little(two: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "words.json"
    assert main(["explain", "words", str(two.path), "dog", "--out", str(out)]) == 0
    assert "note: 6 photos say little about which directions count" in capsys.readouterr().out
    assert json.loads(out.read_text("utf-8"))["images"] == 6
    assert main(["explain", "words", str(two.path), "dog", "--images", "0"]) == 0
    assert "note:" not in capsys.readouterr().out


def test_rows_that_are_no_numbers_are_refused(make_words: MakeWords) -> None:
    run = make_words(TWO, {"english": {"dog": [float("nan"), 0, 0]}})
    with pytest.raises(InputError, match="the rows of english are not finite numbers"):
        explain_words(run, ["dog"], images=0)
    assert explain_words(run, ["hund"], concepts="german").nearest


def test_a_word_that_is_asked_for_twice_is_shown_once(two: Run) -> None:
    assert len(explain_words(two, ["dog", "Dog"], images=0).nearest) == 1


def test_a_single_photo_tells_nothing_of_what_differs(two: Run) -> None:
    with pytest.raises(InputError, match="images: 1 photos; expected 2 or more, or 0 for none"):
        explain_words(two, ["dog"], images=1)


def test_heads_with_hidden_layers_show_their_own_words_alone(make_words: MakeWords) -> None:
    run = make_words(TWO, TWO_ROWS, "mlp")
    (found,) = explain_words(run, ["dog"]).nearest
    assert list(found.near) == ["english"]


def test_one_of_several_sets_can_be_asked_for(two: Run) -> None:
    assert [one.space for one in wordsight.explain_words(two, ["ball"], concepts="german").nearest] == ["german"]
    with pytest.raises(InputError, match="did you mean 'german'"):
        explain_words(two, ["ball"], concepts="germn")


def test_nothing_asked_for_is_said(two: Run) -> None:
    with pytest.raises(InputError, match="nothing is asked for"):
        explain_words(two)


def test_a_run_without_tag_heads_is_refused(make_words: MakeWords) -> None:
    run = make_words({}, {}, objective_name="rotation")
    with pytest.raises(InputError, match="'rotation' has no tag head"):
        explain_words(run, ["dog"])


def test_a_run_of_icmlm_with_a_tag_head_is_asked_the_same(make_run: Callable[..., Run]) -> None:
    run = make_run("icmlm-attfc")
    (found,) = explain_words(run, ["dog"], most=9).nearest
    assert {near.word for near in found.near["postag"]} == {"ball", "red", "beach", "runs"}
    (result,) = wordsight.evaluate(run, corpus=run.info.corpus, protocols=["tags"])
    assert (result.protocol, result.counts["images"]) == ("tags", 6)
