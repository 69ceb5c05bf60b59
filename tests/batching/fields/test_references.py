"""What is large goes to other processes by where it lies, and is opened there when it is first asked for."""

from __future__ import annotations

import pickle

import pytest

from wordsight.batching.fields import references
from wordsight.batching.fields.references import Reference
from wordsight.errors import InputError

OPENED: list[str] = []


def opened() -> str:
    OPENED.append("once more")
    return "value"


def test_a_reference_is_opened_in_the_other_process_when_it_is_asked_for() -> None:
    OPENED.clear()
    here = Reference("value", opened)
    assert here.value == "value" and not OPENED
    there: Reference[str] = pickle.loads(pickle.dumps(here))
    assert not OPENED
    assert (there.value, there.value) == ("value", "value") and OPENED == ["once more"]


def test_what_lies_nowhere_goes_by_value() -> None:
    assert pickle.loads(pickle.dumps(Reference([1, 2], None))).value == [1, 2]


def test_another_language_model_of_the_same_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        name, fingerprint = "tiny", "1234"

    model = Model()
    monkeypatch.setattr(references, "load_language_model", lambda name: model)
    reference = references.language_model(model)  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(reference)).value is model
    kept = pickle.dumps(reference)
    model.fingerprint = "5678"
    with pytest.raises(InputError, match="tiny holds 5678 by now; expected 1234"):
        _ = pickle.loads(kept).value
