"""Where a run looks for words, as arrays."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

import wordsight
from wordsight.errors import InputError
from wordsight.explain.photo.attention import AttentionMaps, Span, read_photo
from wordsight.explain.photo.draw import explain_photo, photo_attention, picture_name
from wordsight.explain.photo.figure import MOST_WORDS, notes
from wordsight.objectives.maps.hidden_words import GUESSES
from wordsight.objectives.maps.word_map import content_words
from wordsight.training.run import Run
from wordsight.vision.preprocessing import Framing
from wordsight.vision.views import BORDER

MakeRun = Callable[..., Run]
Jpeg = Callable[..., bytes]


@pytest.fixture(scope="module")
def attfc(make_run: MakeRun) -> Run:
    return make_run("icmlm-attfc")


@pytest.fixture
def photo(tmp_path: Path, jpeg: Callable[..., bytes]) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(99, (90, 60)))
    return path


@pytest.mark.parametrize("objective", ["icmlm-attfc", "icmlm-tfm"])
def test_attention_sums_to_one_over_the_grid_for_every_word(make_run: MakeRun, photo: Path, objective: str) -> None:
    seen = photo_attention(make_run(objective), photo, "A dog runs with a red ball")
    assert [word.word for word in seen.words] == ["dog", "runs", "red", "ball"]
    for word in seen.words:
        assert word.attention_HW.ndim == 2
        assert (word.attention_HW >= 0).all()
        assert word.attention_HW.sum() == pytest.approx(1, abs=1e-4)


def test_predictions_are_the_likeliest_words_in_order(attfc: Run, photo: Path) -> None:
    word = photo_attention(attfc, photo, "a Dog")
    guesses = word.words[0].predictions
    probabilities = [guess.probability for guess in guesses]
    assert len(guesses) == 3 and probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1
    assert word.words[0].target == "dog", "guesses are spelled as the vocabulary spells them"


def test_the_view_is_what_evaluation_sees_and_the_drawn_one_its_enlargement(attfc: Run, photo: Path) -> None:
    seen = photo_attention(attfc, photo, "a dog")
    assert seen.view.shape == (32, 32, 3)
    assert seen.drawn.shape == (384, 384, 3)
    assert seen.photo_size == (90, 60)
    small = np.asarray(Image.fromarray(seen.drawn).resize((32, 32), Image.Resampling.BOX), dtype=float)
    assert np.abs(small - seen.view).mean() < 4


@pytest.mark.parametrize("framing", ["squash", "pad"])
def test_a_photo_may_be_shown_whole(attfc: Run, tmp_path: Path, framing: Any) -> None:
    # Red at the left end, blue at the right: the centre crop has neither.
    pixels = np.full((60, 180, 3), 120, dtype=np.uint8)
    pixels[:, :30], pixels[:, 150:] = (250, 0, 0), (0, 0, 250)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    cropped = photo_attention(attfc, tmp_path / "wide.png", "a dog")
    whole = photo_attention(attfc, tmp_path / "wide.png", "a dog", framing)
    middle = whole.drawn.shape[0] // 2
    assert whole.framing == framing and cropped.framing == "crop"
    assert np.ptp(cropped.drawn.astype(int)) < 20
    for seen in (whole.view, whole.drawn):
        row = seen[len(seen) // 2].astype(int)
        assert row[1, 0] > 200 > 60 > row[1, 2] and row[-2, 2] > 200 > 60 > row[-2, 0]
    assert (whole.drawn[5, middle] == BORDER).all() == (framing == "pad")
    assert cropped.words[0].predictions != whole.words[0].predictions, "the network saw another picture"
    drawn = wordsight.explain_photo(attfc, tmp_path / "wide.png", "a dog", out=tmp_path / "a.png", framing=framing)
    plain = wordsight.explain_photo(attfc, tmp_path / "wide.png", "a dog", out=tmp_path / "b.png")
    assert drawn.read_bytes() != plain.read_bytes()


def test_hiding_one_word_does_not_change_what_is_seen_for_another(attfc: Run, photo: Path) -> None:
    maps = AttentionMaps(attfc)
    caption = "a dog with a red ball"
    both, alone = maps.of_photo(photo, caption), maps.of_photo(photo, caption, [Span(2, 5)])
    np.testing.assert_allclose(both.words[0].attention_HW, alone.words[0].attention_HW, atol=2e-3)


def test_without_the_tagger_every_concept_in_the_caption_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(texts: list[str]) -> None:
        raise InputError("spaCy is not installed")

    monkeypatch.setattr("wordsight.language.tagger.tag_words", absent)
    found = content_words("A Dog's ball, red!", frozenset({"dog", "red", "beach"}))
    assert found == [Span(2, 5), Span(14, 17)]


def test_a_caption_without_a_word_to_hide_is_one_clear_line(attfc: Run, photo: Path) -> None:
    with pytest.raises(InputError, match="no word of 'colourless ideas' can be hidden.*ball.*dog"):
        photo_attention(attfc, photo, "colourless ideas")


def test_an_objective_that_knows_no_words_is_told(make_run: MakeRun, photo: Path) -> None:
    with pytest.raises(InputError, match="'rotation' knows no words.*predicts hidden words.*predicts tags"):
        photo_attention(make_run("rotation"), photo, "a dog")


def test_a_run_with_two_kinds_of_maps_shows_the_one_that_is_named(attfc: Run, photo: Path, tmp_path: Path) -> None:
    hidden, tags = (photo_attention(attfc, photo, "a dog", map=name) for name in ("", "class-activation"))
    assert hidden.colour != tags.colour and hidden.words[0].predictions and not tags.words[0].predictions
    with pytest.raises(InputError, match="no map 'similarity'; expected hidden-words or class-activation"):
        photo_attention(attfc, photo, "a dog", map="similarity")
    with pytest.raises(InputError, match="unknown map 'hidden'"):
        photo_attention(attfc, photo, "a dog", map="hidden")
    files = {explain_photo(attfc, photo, "a dog", map=name) for name in ("", "class-activation")}
    assert len(files) == 2


def test_tags_are_shown_without_a_caption_and_those_of_one_with_it(make_run: MakeRun, photo: Path) -> None:
    run = make_run("tag-prediction")
    own = photo_attention(run, photo, None)
    assert own.own and len(own.words) == 4 and own.caption == ", ".join(word.word for word in own.words)
    assert [word.said for word in own.words] == [f"number {rank} of 5 tags" for rank in (1, 2, 3, 4)]
    seen = photo_attention(run, photo, "a Dog on the beach")
    assert [word.target for word in seen.words] == ["dog", "beach"] and not seen.own
    with pytest.raises(InputError, match="no word of 'colourless ideas' is a tag.*ball, beach, dog"):
        photo_attention(run, photo, "colourless ideas")


def test_without_a_caption_a_run_that_hides_words_asks_for_one_or_shows_its_tags(attfc: Run, photo: Path) -> None:
    assert photo_attention(attfc, photo, None).own
    with pytest.raises(InputError, match="caption is missing"):
        photo_attention(attfc, photo, None, map="hidden-words")


def test_a_photo_that_cannot_be_read_is_told(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    path = tmp_path / "bad.jpg"
    for content, reason in ((None, "absent"), (b"no picture", "unreadable"), (jpeg(1)[:300], "truncated")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=rf"bad\.jpg: {reason}"):
            read_photo(path)


def test_explain_photo_writes_a_picture(attfc: Run, photo: Path, tmp_path: Path) -> None:
    out = explain_photo(attfc, photo, "a dog runs with $1 red ball on $2 beach", tmp_path / "new" / "seen.png")
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert picture.width > 900 and picture.height > 400


def test_an_unknown_picture_format_is_told(attfc: Run, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown picture format '\.pgn'.*did you mean '\.png'"):
        explain_photo(attfc, photo, "a dog", tmp_path / "seen.pgn")


def test_a_caption_of_any_length_gives_a_picture_that_can_be_looked_at(
    attfc: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # One word in seventeen can be hidden: each is a pass of the language model over all that it reads.
    caption = (("a dog" + " and of the an" * 3 + " and of the. ") * 1000)[:40_000]
    out = explain_photo(attfc, photo, caption, tmp_path / "long.png")
    with Image.open(out) as picture:
        assert picture.height < 3500 and picture.width < 2500
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    left = re.search(r"left out of the picture: ([\d,]+) of ([\d,]+) words .* reads the first (\d+) tokens", said)
    assert left is not None, said
    unread, every, tokens = (int(number.replace(",", "")) for number in left.groups())
    assert every == len(caption.split())
    # Seventeen words and a full stop are eighteen tokens; two more stand at the ends.
    assert abs((every - unread) - (tokens - 2) * 17 / 18) < 2
    assert f"all but the first {MOST_WORDS} of the" in said
    assert photo_attention(attfc, photo, caption).words[-1].span.end <= len(caption) * (every - unread + 1) / every


def test_of_a_caption_that_is_read_and_drawn_whole_nothing_is_left_out(attfc: Run, photo: Path) -> None:
    seen = photo_attention(attfc, photo, "a dog on the beach")
    assert seen.read == len(seen.caption)
    assert not [note for note in notes(seen) if "left out" in note]


def test_a_long_caption_without_blanks_is_counted_in_characters(attfc: Run, photo: Path) -> None:
    seen = photo_attention(attfc, photo, "a dog " + "\u6d77" * 3000)
    (note,) = [note for note in notes(seen) if "left out" in note]
    assert re.search(r"2,\d{3} of 3,006 characters of the caption", note)


def test_an_error_quotes_the_beginning_of_a_long_caption(attfc: Run, photo: Path) -> None:
    with pytest.raises(InputError) as told:
        photo_attention(attfc, photo, "colourless ideas " * 2000)
    assert len(str(told.value)) < 500 and " ...' can be hidden" in str(told.value)


def test_every_photo_and_caption_has_a_picture_of_its_own(attfc: Run, photo: Path, tmp_path: Path, jpeg: Jpeg) -> None:
    elsewhere = tmp_path / "other" / photo.name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(jpeg(5))
    long = "a dog runs on the beach with a red ball and another red ball on"
    asked = [
        (photo, "a dog"),
        (photo, "A dog!"),
        (photo, "dog a"),
        (elsewhere, "a dog"),
        (photo, long),
        (photo, long + "e"),
    ]
    names = [picture_name(*each) for each in asked]
    assert len(set(names)) == len(asked)
    assert names[0].startswith("photo-a-dog-") and all("/" not in name and len(name) < 160 for name in names)
    assert picture_name(photo, "a dog") == names[0]
    framed = {picture_name(photo, "a dog", framing) for framing in get_args(Framing)}
    assert len(framed) == 3 and names[0] in framed
    first, again, other = (explain_photo(attfc, photo, caption) for caption in ("a dog", "a dog", "a ball"))
    assert first == again != other and first.parent == attfc.path / "attention"
    assert first.is_file() and other.is_file()


def test_names_of_pictures_fit_into_file_systems_whatever_the_caption(photo: Path, tmp_path: Path) -> None:
    long = photo.rename(tmp_path / ("\u5b57" * 80 + ".jpg"))
    for caption in ("\u6d77" * 300, "../../etc", "?*", "a" * 500):
        name = picture_name(long, caption)
        assert len(name.encode()) < 200 and Path(name).name == name
        (tmp_path / name).write_bytes(b"")


def test_a_picture_that_a_person_named_is_never_replaced_unsaid(
    attfc: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explain_photo(attfc, photo, "a dog", tmp_path / "seen.png")
    assert "replaced" not in capsys.readouterr().err
    explain_photo(attfc, photo, "a ball", tmp_path / "seen.png")
    assert "seen.png was there before and is replaced" in capsys.readouterr().err


@pytest.mark.parametrize("objective", ["icmlm-attfc", "icmlm-tfm"])
def test_a_run_that_has_not_learned_is_told_in_the_terminal_and_in_the_picture(
    make_run: MakeRun, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], objective: str
) -> None:
    out = explain_photo(make_run(objective), photo, "a dog runs on the beach with a red ball", tmp_path / "seen.svg")
    (said,) = capsys.readouterr().err.splitlines()
    assert re.search("the run looks (at one place whatever is hidden|nowhere in particular)", said)
    assert out.read_text("utf-8").count("#8a4b00") > 0, "the colour of what stands below the panels"


def test_guesses_are_as_many_as_stated(make_run: MakeRun, photo: Path) -> None:
    seen = photo_attention(make_run("icmlm-tfm"), photo, "a dog")
    assert all(len(word.predictions) == GUESSES for word in seen.words)
