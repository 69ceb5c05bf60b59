"""A language model of one's own learns, resumes to the same numbers, and is read like any other psi."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import wordsight
from tests.training.tiny_runs import signal_within
from wordsight.cli import main
from wordsight.concepts.concept_set import Occurrences
from wordsight.corpus.readers.folder import Folder
from wordsight.errors import InputError
from wordsight.heads.token_classifier import TokenClassifier
from wordsight.heads.vocabulary import Vocabulary
from wordsight.language.features import masked_captions
from wordsight.language.model import load_language_model
from wordsight.language.sentences import lot
from wordsight.language.wordpiece import read_vocabulary
from wordsight.training.language.saved_folder import TrainedLanguageModel

TINY_MODEL: dict[str, Any] = {
    "layers": 1,
    "width": 32,
    "heads": 2,
    "vocabulary": 200,
    "max_tokens": 16,
    "batch_tokens": 512,
    "epochs": 8,
    "lr": 1e-2,
    "held_out_share": 0.1,
    "precision": "fp32",
    "device": "cpu",
}
# What barks, and where it is, goes together: a masked word can be told from the others.
SENTENCES = [
    f"{article} {how} {who} {does} {where}"
    for (who, does, article), how, where in itertools.product(
        (
            ("Hund", "bellt", "Ein"),
            ("Mädchen", "singt", "Das"),
            ("Vögel", "fliegen", "Viele"),
            ("Katze", "miaut", "Die"),
        ),
        ("kleine", "große", "schöne", "müde", "junge", "alte"),
        ("im Haus", "am Fluß", "auf der Straße", "unter dem Baum", "draußen", "hier", "dort"),
    )
]
"""168 German sentences."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices of this size are not worth sharing among threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text("\n\n".join(SENTENCES))
    return path


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedLanguageModel:
    return wordsight.train_language_model(TINY_MODEL, out=tmp_path_factory.mktemp("model") / "de", text=[text])


def test_it_learns_more_than_which_token_is_frequent(trained: TrainedLanguageModel) -> None:
    assert trained.accuracy is not None and trained.most_frequent is not None
    assert trained.accuracy > 2 * trained.most_frequent
    lines = [json.loads(line) for line in (trained.path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["held_out_accuracy"] > lines[0]["held_out_accuracy"]
    assert lines[-1]["step"] == trained.steps
    assert json.loads((trained.path / "language.json").read_text())["result"]["accuracy"] == trained.accuracy


def test_the_vocabulary_knows_nothing_of_held_out_sentences(text: Path, tmp_path: Path) -> None:
    lines, held = text.read_text(), []
    for number in range(200):
        # A word that comes twice in a held-out sentence, and nowhere else.
        sentence = f"Qwxz{number} bellt Qwxz{number} hier"
        if lot(sentence) < TINY_MODEL["held_out_share"]:
            held.append(sentence)
    assert len(held) > 5
    (tmp_path / "more.txt").write_text("\n".join([lines, *held]))
    settings = {**TINY_MODEL, "epochs": 1}
    made = wordsight.train_language_model(settings, out=tmp_path / "de", text=[tmp_path / "more.txt"])
    tokens = read_vocabulary(made.path / "vocab.txt")
    assert "hund" in tokens
    assert not [token for token in tokens if set("qwx") & set(token)]


def test_it_is_read_like_any_other_language_model_with_its_head(trained: TrainedLanguageModel) -> None:
    from transformers import AutoModelForMaskedLM

    model = load_language_model(str(trained.path))
    assert model.tokenizer.tokenize("Mädchen") == ["mädchen"]
    assert model.max_tokens == 16
    assert model.vocabulary_matrix().shape == (trained.vocabulary, 32)
    weights = model.token_classifier_weights()
    assert weights is not None
    reference = AutoModelForMaskedLM.from_pretrained(trained.path).eval()
    tied = reference.get_output_embeddings().weight
    assert torch.equal(tied, reference.get_input_embeddings().weight)
    ids = torch.tensor(model.tokenizer(["das kleine [MASK] singt hier"])["input_ids"])
    logits = TokenClassifier(Vocabulary(model.vocabulary_matrix()), weights)(
        model.features(ids, torch.ones_like(ids) > 0)
    )
    with torch.no_grad():
        expected = reference(input_ids=ids).logits
    torch.testing.assert_close(logits, expected, atol=0.1, rtol=0.05)  # features are bf16 where that pays


def test_weights_that_are_not_those_that_were_trained_are_one_line(
    trained: TrainedLanguageModel, tmp_path: Path
) -> None:
    shutil.copytree(trained.path, tmp_path / "copy")
    assert load_language_model(str(tmp_path / "copy")).fingerprint
    weights = tmp_path / "copy" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match="is damaged: its weights are not those that were trained"):
        load_language_model(str(tmp_path / "copy"))
    weights.unlink()
    weights.mkdir()
    with pytest.raises(InputError, match="is damaged: its weights are not those that were trained"):
        load_language_model(str(tmp_path / "copy"))


def test_words_that_are_one_token_can_be_masked(trained: TrainedLanguageModel, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for k, caption in enumerate(("Das kleine Mädchen singt hier", "Ein Xylophon und ein Hund")):
        noise = np.random.default_rng(k).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(caption)
    corpus = wordsight.build_corpus(Folder(folder), out=tmp_path / "corpus")
    found = [
        (example, number, match.start(), match.end())
        for example, number, caption in corpus.caption_iter(corpus.indices())
        for match in re.finditer("Mädchen|Xylophon|Hund", caption)
    ]
    example, *rest = np.array(found, dtype=np.int64).T
    caption, start, end = (column.astype(np.int32) for column in rest)
    spans = Occurrences(example.copy(), caption, start, end, np.arange(3, dtype=np.int32))
    model = load_language_model(str(trained.path))
    masked = masked_captions(corpus, spans, model, corpus.indices(), tmp_path / "cache")
    names = [model.tokenizer.convert_ids_to_tokens(int(target)) for target in masked.target_M]
    assert names == ["mädchen", "hund"]
    assert masked.width == 32


def test_a_resumed_training_equals_the_uninterrupted_one(
    trained: TrainedLanguageModel, text: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    with signal_within(10), pytest.raises(KeyboardInterrupt, match="stopped at step 11"):
        wordsight.train_language_model(TINY_MODEL, out=out, text=[text])
    with pytest.raises(InputError, match="holds no config.json"):
        load_language_model(str(out))
    resumed = wordsight.train_language_model(TINY_MODEL, out=out, text=[text], resume=True)
    assert (resumed.accuracy, resumed.loss) == (trained.accuracy, trained.loss)
    once, twice = load_file(trained.path / "model.safetensors"), load_file(out / "model.safetensors")
    assert once.keys() == twice.keys()
    assert all(torch.equal(once[name], twice[name]) for name in once)
    assert not (out / "checkpoint.safetensors").exists()

    def curve(folder: Path) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]

    assert curve(out) == curve(trained.path)


def test_what_is_resumed_must_be_the_same(text: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "again", tmp_path / "other.txt"
    other.write_text("\n".join(SENTENCES[:120]))
    with signal_within(1), pytest.raises(KeyboardInterrupt):
        wordsight.train_language_model(TINY_MODEL, out=out, text=[text])
    for settings, file, said in (
        ({**TINY_MODEL, "lr": 0.5}, text, "lr 0.01 is now 0.5"),
        (TINY_MODEL, other, "was begun with other text"),
    ):
        with pytest.raises(InputError, match=said):
            wordsight.train_language_model(settings, out=out, text=[file], resume=True)
    with pytest.raises(InputError, match="resume=True, or give another `out`"):
        wordsight.train_language_model(TINY_MODEL, out=out, text=[text])


def test_a_folder_that_exists_is_left_alone(trained: TrainedLanguageModel, text: Path, tmp_path: Path) -> None:
    for resume in (False, True):
        with pytest.raises(InputError, match="exists already, and is finished"):
            wordsight.train_language_model(TINY_MODEL, out=trained.path, text=[text], resume=resume)
    with pytest.raises(InputError, match="holds no language model that is being trained"):
        wordsight.train_language_model(TINY_MODEL, out=text.parent, text=[text], resume=True)
    with pytest.raises(InputError, match="is a file"):
        wordsight.train_language_model(TINY_MODEL, out=text, text=[text])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the text holds no sentences; expected 100 or more"),
        ("\n  \n\n", "the text holds no sentences"),
        ("\n".join(SENTENCES[:50]), "the text holds 50 sentences"),
        ("ein Hund bellt\n" * 200, "all sentences are the same or held out"),
    ],
)
def test_too_little_text_is_refused(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        wordsight.train_language_model(TINY_MODEL, out=tmp_path / "out", text=[path])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 30, "heads": 4}, "width 30 does not divide among 4 heads"),
        ({"mask_share": 0.0}, "mask_share is 0.0; expected a number above 0 and below 1"),
        ({"batch_tokens": 10}, "10 tokens of a step hold no sentence of 16"),
        ({"epoch": 3}, "did you mean 'epochs'?"),
        ({"lr": 1e30}, "the loss is no longer a number"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], said: str, text: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        wordsight.train_language_model({**TINY_MODEL, **settings}, out=tmp_path / "out", text=[text])


def test_the_command_says_what_it_made_and_what_comes_next(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = "--layers 1 --width 16 --heads 2 --epochs 1 --max-tokens 16 --batch-tokens 256 --vocabulary 5000"
    assert main(["language", "train", "--text", str(text), "--out", str(tmp_path / "de"), *flags.split()]) == 0
    said = capsys.readouterr()
    assert re.search(r"made the language model \S+: \d+ tokens, 1 layers of width 16, from \d+ sentences in", said.out)
    assert "held-out masked-token accuracy" in said.out
    assert (
        f"next: wordsight pretrain --recipe icmlm-attfc-resnet18-small --corpus CORPUS --language {tmp_path}"
        in said.out
    )
    assert "not 5,000" in " ".join(said.err.split())


def test_ctrl_c_says_how_to_go_on(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--layers 1 --width 16 --heads 2 --epochs 2 --max-tokens 16 --batch-tokens 256"
    with signal_within(2):
        assert main(["language", "train", "--text", str(text), "--out", str(tmp_path / "de"), *flags.split()]) == 130
    error = capsys.readouterr().err
    assert "the last checkpoint is kept" in error and "--resume true" in error
