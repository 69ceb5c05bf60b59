"""What may differ between a run and its resumption, or between two runs, without changing what is learned."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

import wordsight
from tests.training.tiny_runs import SMALL, signal_within, weights
from wordsight.corpus import Corpus
from wordsight.training.pretrain_settings import OptimizerSettings
from wordsight.vision.backbones import BackboneSettings

MakeCorpus = Callable[..., Corpus]
STEPS = 40
# Rounding differs from one process to two, and grows with every update: these are plain and small. Jittered colours
# are drawn for the whole step.
PLAIN = replace(
    SMALL,
    concepts={"kind": "words", "size": 4},
    backbone_settings=BackboneSettings(stages=1),
    view=replace(SMALL.view, jitter=0.3),
    epochs=STEPS // 2,
    optimizer=OptimizerSettings(name="sgd", weight_decay=0.0, clip_norm=0.0),
    device="cpu",
)


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    """Sixteen pictures of noise, two steps an epoch."""
    return make_corpus([[f"one {word} runs here"] for word in ("dog", "cat", "car", "tree") * 4])


def assert_same(found: Path, expected: Path, start: Path) -> None:
    """Two runs have learned the same, to a hundredth of what they have learned."""
    before, one, other = (weights(run) for run in (start, expected, found))
    learned = 0
    for name, value in before.items():
        change = one[name] - value
        if value.is_floating_point() and float(change.norm()):
            learned += 1
            assert float((other[name] - one[name]).norm()) < 0.01 * float(change.norm()), name
    assert learned > 10


@pytest.fixture
def heeding() -> Iterator[None]:
    """Ctrl-C as a person has it: what a shell starts in the background is deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding")
@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_a_run_resumes_on_another_number_of_processes(corpus: Corpus, tmp_path: Path, first: int, then: int) -> None:
    # Two processes are stopped by a signal from outside: the run has to last until it arrives.
    plain = replace(PLAIN, image_size=128) if first == 2 else PLAIN
    whole = wordsight.pretrain(plain, corpus=corpus, out=tmp_path / "whole").path
    start = wordsight.pretrain(replace(plain, lr=1e-30, epochs=1), corpus=corpus, out=tmp_path / "start").path
    stopped = tmp_path / "stopped"
    if first == 1:
        with signal_within(STEPS // 2), pytest.raises(KeyboardInterrupt, match="stopped at step 21 of 40"):
            wordsight.pretrain(plain, corpus=corpus, out=stopped)
    else:
        threading.Thread(target=_ctrl_c_once_it_is_there, args=(stopped / "metrics.jsonl",), daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            wordsight.pretrain(replace(plain, devices=2), corpus=corpus, out=stopped)
    assert (stopped / "checkpoint.safetensors").is_file()
    resumed = wordsight.pretrain(replace(plain, devices=then), corpus=corpus, out=stopped, resume=True)
    assert resumed.info.finished and resumed.metrics()[-1]["step"] == STEPS
    assert_same(resumed.path, whole, start)


def _ctrl_c_once_it_is_there(metrics: Path) -> None:
    end = time.monotonic() + 300
    while not (metrics.is_file() and metrics.stat().st_size) and time.monotonic() < end:
        time.sleep(0.01)
    # To the thread that waits for the processes: another one would not wake it.
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def test_a_compiled_backbone_learns_the_same(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced as for any backend, and run as it was traced: what a C++ compiler makes of it is PyTorch's affair."""
    compiled: list[nn.Module] = []
    compile_module = nn.Module.compile

    def traced(module: nn.Module) -> None:
        compiled.append(module)
        compile_module(module, backend="aot_eager")

    brief = replace(PLAIN, epochs=2)
    plain = wordsight.pretrain(brief, corpus=corpus, out=tmp_path / "plain").path
    start = wordsight.pretrain(replace(brief, lr=1e-30), corpus=corpus, out=tmp_path / "start").path
    monkeypatch.setattr(nn.Module, "compile", traced)
    run = wordsight.pretrain(replace(brief, compile=True), corpus=corpus, out=tmp_path / "compiled")
    assert len(compiled) == 1 and sum(1 for _ in compiled[0].parameters()) > 10
    assert_same(run.path, plain, start)
    # What was compiled is saved as any other.
    assert run.backbone().out_channels == 64
