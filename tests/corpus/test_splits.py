"""Names of splits: what people call them, and what they are called here."""

from __future__ import annotations

import pytest

from wordsight.corpus.splits import part_of, split_of


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("train", "train training training_set train_set Train-Images TRAIN trainval restval train2014 trn traindata"),
        ("val", "val valid validation dev val_set validation-set val2017 Valid development"),
        ("test", "test testing test_set eval evaluation eval_images Test2015 tst held-out holdout"),
        ("", "trains trainer detest contest dog val.jpg device developer validity testament 2017 set"),
    ],
)
def test_splits_are_known_by_what_people_call_them(part: str, names: str) -> None:
    assert {name: part_of(name) for name in names.split()} == dict.fromkeys(names.split(), part)


def test_a_split_keeps_the_name_that_it_has() -> None:
    assert (split_of("Training_Set"), split_of("dogs")) == ("Training_Set", "")
