"""Methods of measuring, one file each: a new one is a file, a line in ``METHODS`` and a protocol in ``protocols/``."""

from __future__ import annotations

from wordsight.evaluation.methods import (
    caption_choice,
    captioning,
    few_shot,
    fine_tune,
    knn,
    linear_probe,
    masked_words,
    pointing,
    retrieval,
    sgd_probe,
    tags,
    zero_shot,
)
from wordsight.evaluation.methods.linear_probe_settings import ProbeSettings
from wordsight.evaluation.protocol import Method
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.caption_split import CaptionedSplit, CorpusSplit

METHODS: dict[str, Method] = {
    "probe": Method(Task, ProbeSettings, linear_probe.measure),
    "few-shot": Method(Task, few_shot.FewShotSettings, few_shot.measure),
    "fine-tune": Method(Task, fine_tune.FineTuneSettings, fine_tune.measure),
    "knn": Method(Task, knn.KnnSettings, knn.measure),
    "sgd-probe": Method(Task, sgd_probe.SgdProbeSettings, sgd_probe.measure),
    "masked-words": Method(CaptionedSplit, masked_words.MaskedWordsSettings, masked_words.measure, heads=True),
    "pointing": Method(CorpusSplit, pointing.PointingSettings, pointing.measure, heads=True, hides=True),
    "tags": Method(CorpusSplit, tags.TagsSettings, tags.measure, heads=True),
    "zero-shot": Method(Task, zero_shot.ZeroShotSettings, zero_shot.measure, heads=True, anew=True),
    "caption-choice": Method(CorpusSplit, caption_choice.CaptionChoiceSettings, caption_choice.measure, heads=True),
    "captioning": Method(CorpusSplit, captioning.CaptioningEvalSettings, captioning.measure, heads=True),
    "retrieval": Method(CorpusSplit, retrieval.RetrievalSettings, retrieval.measure, heads=True),
}
