"""Every value of a training run, as a recipe pins it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.errors import InputError, setting
from wordsight.objectives import OBJECTIVES, current_name
from wordsight.optim import Schedule
from wordsight.ranges import (
    AtLeastOne,
    ClipNorm,
    Devices,
    Epochs,
    Fraction,
    Gigabytes,
    LearningRate,
    Minutes,
    Probability,
    RateMultiple,
    Seed,
    Side,
    UnitFromZero,
    WeightDecay,
    Workers,
    check_ranges,
)
from wordsight.vision.backbones import BackboneSettings
from wordsight.vision.preprocessing import Pixels
from wordsight.vision.views import ViewSettings


@dataclass(frozen=True)
class OptimizerSettings:
    """How the weights are updated.

    Args:
        name: ``adamw``, or ``sgd`` with Nesterov momentum.
        weight_decay: Decay of matrices and filters; biases and norms are never decayed.
        momentum: Momentum of ``sgd``; beta 1 of ``adamw``.
        beta2: Beta 2 of ``adamw``.
        warmup_share: Share of all steps over which the learning rate rises linearly from zero.
        schedule: ``cosine``, or ``steps``: a tenth of the rate after each ``step_share`` of the run.
        final_share: The learning rate at the end of the cosine, as a share of the peak.
        step_share: Of ``steps``, the share of all steps after which the rate falls.
        heads_rate: Learning rate of the heads as a multiple of the backbone's.
        clip_norm: Gradients longer than this are shortened to it; 0 turns clipping off.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    weight_decay: WeightDecay = 0.05
    momentum: UnitFromZero = 0.9
    beta2: UnitFromZero = 0.999
    warmup_share: UnitFromZero = 0.05
    schedule: Literal["cosine", "steps"] = "cosine"
    final_share: Probability = 0.0
    step_share: Fraction = 0.4
    heads_rate: RateMultiple = 1.0
    clip_norm: ClipNorm = 5.0

    def __post_init__(self) -> None:
        check_ranges(self, "optimizer")

    @property
    def rates(self) -> Schedule:
        """How the learning rate rises and falls over the run."""
        return Schedule(self.warmup_share, self.schedule, self.final_share, self.step_share)


@dataclass(frozen=True)
class PretrainSettings:
    """Every value of a pretraining run; a recipe is a file of these.

    Args:
        objective: What is learned, such as ``tag-prediction``, ``icmlm-attfc``, ``clip``, ``rotation``;
            several objectives at once: ``weighted-sum``; nothing: ``none``, the untouched network.
        objective_settings: Values of the objective (lambda, heads, ...); each objective lists its own.
        concepts: A concept set to build (``{kind: postag, size: 1000}``), the folder of one built before, or several of
            either by name (``{words: {kind: words}, topics: {kind: topics}}``), each of which gets a head of its own.
        language: The frozen language model: ``minilm``, a folder, or a hub name. Read by objectives on words.
        masks_per_image: How many masked words of an image share one pass of the backbone (Eq. 7; 1 is the
            literal reading).
        feature_cache_gb: Token features, and a frozen text tower's vectors of captions, are kept on disk up to this
            size, and computed on the fly above it.
        backbone: A torchvision or timm network: ``resnet18``, ``vgg16``, ``timm:vit_tiny_patch16_224``, ...
        backbone_settings: Strides and input of the backbone.
        pretrained: Start from published weights instead of from scratch.
        weights: Start from the weights in this file (.safetensors, .pth), such as another run's backbone.safetensors.
        pixels: Mean and spread that pixels are normalised by: ``imagenet``, ``published`` for those of the network's
            published weights; ``auto`` for the latter where the run begins with them, for those that are written with a
            file of weights, else ImageNet's.
        image_size: Side of the square view, in pixels.
        view: Augmentation.
        epochs: Passes over the images; 0 for the objective ``none``.
        batch_size: Images in a step, over all processes.
        accumulate: In how many pieces of equal size a process goes through its images of a step, one after another,
            with one update for all: a step then needs the memory of a piece. Objectives that compare images compare
            all of the step, by gradient caching. Batch norm looks at a piece alone, unless it is frozen.
        batch_norm: ``synchronised``: batch norm looks at the images that go through the network together, in all
            processes; ``frozen``: the backbone's keeps the mean and variance of the weights that the run begins with,
            so that a step in pieces is that of the whole batch.
        sampling: ``images``: every image once an epoch. ``concepts``: uniform over the concepts of the first concept
            set, by drawing a concept, then an image that has it; an epoch is as many draws as there are images.
        lr: Peak learning rate.
        optimizer: How the weights are updated.
        precision: ``bf16`` autocast or ``fp32``; ``auto`` is bf16 where the device gains from it.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: How many processes, one a device.
        workers: Loader processes; -1 chooses by the machine.
        compile: Compile the backbone with ``torch.compile``.
        seed: Seeds everything that is random.
        checkpoint_minutes: A checkpoint is written at least this often, besides one after each epoch.

    Examples:
        >>> PretrainSettings(objective="rotation", epochs=5).epochs
        5
        >>> PretrainSettings(epochs=-1)
        Traceback (most recent call last):
            ...
        wordsight.errors.InputError: epochs is -1; expected a number from 0 to 1,000,000
    """

    objective: str = "icmlm-attfc"
    objective_settings: dict[str, Any] = field(default_factory=dict)
    concepts: dict[str, Any] | str = field(default_factory=lambda: {"kind": "postag", "size": 1000})
    language: str = "minilm"
    masks_per_image: AtLeastOne = 4
    feature_cache_gb: Gigabytes = 8.0
    backbone: str = "resnet18"
    backbone_settings: BackboneSettings = field(default_factory=BackboneSettings)
    pretrained: bool = False
    weights: str = ""
    pixels: Pixels = "auto"
    image_size: Side = 112
    view: ViewSettings = field(default_factory=ViewSettings)
    epochs: Epochs = 20
    batch_size: AtLeastOne = 64
    accumulate: AtLeastOne = 1
    batch_norm: Literal["synchronised", "frozen"] = "synchronised"
    sampling: Literal["images", "concepts"] = "images"
    lr: LearningRate = 1.5e-3
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Devices = 1
    workers: Workers = -1
    compile: bool = False
    seed: Seed = 0
    checkpoint_minutes: Minutes = 5.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "objective", current_name(self.objective))
        check_ranges(self)
        self._check_epochs()
        if self.pretrained and self.weights:
            raise InputError("both published weights and a file's are asked for", where="pretrained, weights")
        if self.batch_size % self.devices:
            raise InputError(
                f"batch_size {self.batch_size} does not divide among {self.devices} devices",
                mend=f"give a multiple of {setting('devices')}",
            )
        of_device = self.batch_size // self.devices
        if of_device % self.accumulate:
            raise InputError(
                f"the {of_device} images of a step on a device do not divide into {self.accumulate} equal pieces",
                where="accumulate",
                mend="give a divisor of them",
            )
        if of_device // self.accumulate < 2:
            raise InputError(
                "a batch of one image on a device leaves batch norm nothing to average",
                where="batch_size",
                expected="at least 2 images a device, and in each piece",
            )

    def _check_epochs(self) -> None:
        kind = OBJECTIVES.get(self.objective)
        learns = kind is None or kind.build.learns
        if learns and self.epochs < 1:
            raise InputError(f"epochs is {self.epochs}", expected="1 or more; 0 for `objective: none`")
        if not learns and self.epochs != 0:
            raise InputError(
                f"the objective {self.objective!r} learns nothing, and epochs is {self.epochs}", expected="epochs: 0"
            )
