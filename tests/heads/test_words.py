"""fc, the vocabulary and the token classifier: Eq. 6 and BERT's own classifier."""

from __future__ import annotations

import pytest
import torch

from wordsight.heads.fc import WordProjection
from wordsight.heads.token_classifier import TokenClassifier
from wordsight.heads.vocabulary import Vocabulary


def test_scores_are_dot_products_with_the_vocabulary() -> None:
    vocabulary = Vocabulary(torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))
    assert vocabulary.scores(torch.tensor([3.0, 4.0])).tolist() == [3.0, 8.0, 7.0]


def test_candidates_keep_their_vectors_and_know_their_rows() -> None:
    vocabulary = Vocabulary(torch.arange(10.0).view(5, 2), torch.tensor([3, 1]))
    assert vocabulary.ids.tolist() == [1, 3]
    assert vocabulary.rows(torch.tensor([3, 1, 0])).tolist() == [1, 0, -1]
    assert vocabulary.vectors_VD.tolist() == [[2.0, 3.0], [6.0, 7.0]]


def test_vocabulary_is_frozen_and_not_saved() -> None:
    vocabulary = Vocabulary(torch.randn(5, 2))
    assert not list(vocabulary.parameters()) and not vocabulary.state_dict()


def test_projection_has_the_stated_hidden_layers() -> None:
    kinds = [type(layer).__name__ for layer in WordProjection(4, 3, hidden_layers=2).layers]
    assert kinds == ["Linear", "LayerNorm", "ReLU"] * 2 + ["Linear"]


def test_pretrained_classifier_equals_bert_and_is_frozen() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    torch.manual_seed(0)
    bert = transformers.BertForMaskedLM(config).eval()
    head = bert.cls.predictions
    torch.nn.init.normal_(head.bias)
    weights = {
        "dense.weight": head.transform.dense.weight,
        "dense.bias": head.transform.dense.bias,
        "norm.weight": head.transform.LayerNorm.weight,
        "norm.bias": head.transform.LayerNorm.bias,
        "bias": head.bias,
    }
    matrix = bert.bert.embeddings.word_embeddings.weight
    features = torch.randn(3, 8)
    full = TokenClassifier(Vocabulary(matrix), weights)
    assert torch.allclose(full(features), head(features), atol=1e-5)
    assert not any(parameter.requires_grad for parameter in full.parameters())
    some = TokenClassifier(Vocabulary(matrix, torch.tensor([4, 9])), weights)
    assert torch.allclose(some(features), head(features)[:, [4, 9]], atol=1e-5)
