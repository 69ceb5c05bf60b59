"""Weights of a backbone from a file: of a run, of timm or torchvision, or of a published checkpoint.

Published checkpoints keep more than a backbone (a classifier, an optimiser, a second encoder) under names with prefixes
(``module.body.features.0.weight``); what belongs to the backbone is found by its own names, whatever prefix they have.
Where several networks of a file fit, :mod:`wordsight.vision.weight_choice` says which is taken.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from wordsight.errors import InputError, listed, setting
from wordsight.vision.backbones import Backbone, names_of_whole, published_pixels, show_as
from wordsight.vision.preprocessing import MEAN, STD, Pixels
from wordsight.vision.sobel import SobelConv2d
from wordsight.vision.weight_choice import WeightMatch, choose, flattened, matches
from wordsight.vision.weight_files import WeightFile, pixels_beside, read_weights

__all__ = ["load_weights", "read_weights"]

# Counters that old checkpoints lack; nothing that is computed depends on them.
_COUNTER = "num_batches_tracked"
_STATISTICS = ("running_mean", "running_var")


def load_weights(backbone: Backbone, file: Path | str, pixels: Pixels = "auto") -> str:
    """Put weights from a file into a backbone.

    Where a file holds several networks that fit, averaged weights are taken before plain ones (as timm does), a
    teacher before its student (as DINO does), a query or online encoder before its momentum copy (as MoCo does).

    Args:
        backbone: The backbone; what the file lacks is left as it is. Its ``origin`` becomes the line that is returned,
            its ``warnings`` what a reader of any result should know.
        file: A ``.safetensors`` file, or one that ``torch.save`` wrote (``.pth``, ``.pt``, ``.pth.tar``), of which
            nothing but tensors and plain values is read. ``FILE#NAME`` takes the network of that name in it:
            ``checkpoint.pth#student``, ``moco.pth#encoder_k``.
        pixels: Whose mean and spread images are shown with from now on; ``auto`` for those that are written with the
            file (a run's ``run.json``, the ``config.json`` of a folder of timm's), else ImageNet's.

    Returns:
        A line that says what was read, where in the file it lay, what was missing and what was left out.

    Raises:
        InputError: When the file can't be read, its tensors have other shapes, it holds less than half of the
            backbone's, or layers of a larger network than the backbone; when it holds no network of the name asked for.
    """
    path, part = _file_and_part(file)
    own = backbone.network.state_dict()
    held = read_weights(path)
    found, others = choose(matches(own, held.tensors, backbone.network), part, path)
    if 2 * len(found.names) < len(own):
        raise InputError(
            f"holds {len(found.names)} of the {len(own)} tensors of this backbone",
            where=path,
            expected=f"names such as {next(iter(own))}",
            mend="name the backbone that the weights are of",
        )
    _refuse_larger(backbone, found, held, path)
    tensors = {name: held.tensors[theirs] for name, theirs in found.names.items()}
    tensors, resized = _resized(backbone, tensors, own)
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise _other_shape(backbone, path, name, tensor, own[name])
    backbone.network.load_state_dict(tensors, strict=False)
    missing = [name for name in own if name not in tensors and not name.endswith(_COUNTER)]
    line = f"{len(tensors)} tensors of {path}"
    if found.root:
        line += f" ({found.root})"
    if others:
        line += f"; not taken: {listed(others)}"
    if resized:
        line += f"; resized: {_listed(resized)}"
    if missing:
        line += f"; missing: {_listed(missing)}"
    backbone.origin = line + _left_out(found, held, others)
    backbone.warnings = [*_choice(found, others, path), *_gaps(backbone, missing, path)]
    _set_pixels(backbone, path, pixels)
    return backbone.origin


def _set_pixels(backbone: Backbone, path: Path, pixels: Pixels) -> None:
    """Give a backbone the mean and spread that its new weights were trained with, as far as they are known."""
    if pixels != "auto":
        show_as(backbone, pixels)
    elif told := pixels_beside(path):
        backbone.preprocessing = replace(backbone.preprocessing, mean=told[0], std=told[1])
    else:
        show_as(backbone, "imagenet")
        mean, std = published_pixels(backbone.source)
        if (mean, std) != (MEAN, STD):
            backbone.warnings.append(
                f"images are shown with ImageNet's mean and spread, and {backbone.source} is published for mean "
                f"{_numbers(mean)} and spread {_numbers(std)}: if the file's weights were trained so, set "
                "pixels to published; if not, to imagenet"
            )


def _file_and_part(file: Path | str) -> tuple[Path, str]:
    """A file and the name of a network in it; a file whose own name has a # is that file."""
    path = Path(file)
    if path.exists() or "#" not in path.name:
        return path, ""
    name, _, part = str(file).rpartition("#")
    return Path(name), part


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def _choice(found: WeightMatch, others: Sequence[str], path: Path) -> list[str]:
    """A sentence where another network of the file could have been taken."""
    if not others:
        return []
    other = others[0].split(".")
    # The part of a name that tells it from the one that was taken is what a person asks for it by.
    telling = next((part for part in reversed(other) if part not in found.root.split(".")), others[0])
    return [
        f"{path.name} holds several networks that fit: {found.root or 'the one without a prefix'} was taken, not "
        f"{' or '.join(others)} (to choose another, end the file's name with #{telling})"
    ]


def _gaps(backbone: Backbone, missing: Sequence[str], path: Path) -> list[str]:
    """Sentences on what a file left as it was: at random, or of batch norms at zero and one."""
    sentences = []
    learned = {name: tensor.numel() for name, tensor in backbone.network.named_parameters()}
    random = [name for name in missing if name in learned]
    if random:
        share = 100 * sum(learned[name] for name in random) / max(1, sum(learned.values()))
        shown = f"{share:.1f} %" if share >= 0.1 else "less than 0.1 %"
        sentences.append(
            f"{shown} of the backbone's weights are not in {path.name} and stay untrained: {_listed(random)}"
        )
    norms = sorted({name.rpartition(".")[0] for name in missing if name.endswith(_STATISTICS)})
    if norms:
        sentences.append(
            f"{path.name} has no running statistics of {len(norms)} batch norms, which stay at mean 0 and variance 1: "
            "features are not those that the weights were trained to give"
        )
    return sentences


def _left_out(found: WeightMatch, held: WeightFile, others: Sequence[str]) -> str:
    taken = set(found.names.values())
    # Names within the box that was read are said by their first part there, all that lies elsewhere by its box.
    box = held.boxes[next(iter(taken))]
    box = f"{box}." if box else ""
    left: Counter[str] = Counter()
    for name in held.tensors:
        if name in taken or any(name.startswith(f"{other}.") for other in others):
            continue
        left[name.removeprefix(box).partition(".")[0]] += 1
    return f"; left out: {listed(f'{name} ({count})' for name, count in left.items())}" if left else ""


def _refuse_larger(backbone: Backbone, found: WeightMatch, held: WeightFile, path: Path) -> None:
    """A file of a deeper network holds every name of a shallower one, and is another network.

    Raises:
        InputError: When the file goes on with a numbered list of layers where the backbone's own network ends.
    """
    root = f"{found.root}." if found.root else ""
    taken = {name.removeprefix(root) for name in found.names.values()}
    numbers: dict[str, set[str]] = {}
    for name in taken:
        for above, number in _numbered(name):
            numbers.setdefault(above, set()).add(number)
    local = [name.removeprefix(root) for name in held.tensors if name.startswith(root)]
    more = [
        name
        for name in local
        if name not in taken
        and any(above in numbers and number not in numbers[above] for above, number in _numbered(name))
    ]
    if not more:
        return
    # A backbone ends before its classifier, and some networks number the layers that come between.
    whole = names_of_whole(backbone.source)
    known = {flattened(name) for name in whole}
    extra = [name for name in more if not any(flattened(name).endswith(each) for each in known)] if whole else more
    if extra:
        raise InputError(
            f"holds layers that {backbone.source or 'the backbone'} has not: {_listed(sorted(extra))}",
            where=path,
            expected="weights of the same network",
            mend="name the backbone that the weights are of",
        )


def _numbered(name: str) -> list[tuple[str, str]]:
    """Where a name counts layers: what stands before each number, and the number."""
    parts = name.split(".")
    return [(".".join(parts[:place]), part) for place, part in enumerate(parts) if part.isdigit()]


def _resized(
    backbone: Backbone, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors that depend on the side of the image (position embeddings), brought to the backbone's by timm's own rule.

    Returns:
        All tensors, and the names of those that were resized.
    """
    found = dict(tensors)
    odd = [name for name, tensor in found.items() if tensor.shape != own[name].shape]
    inner = getattr(getattr(backbone.network, "body", None), "model", None)
    convert = getattr(sys.modules.get(type(inner).__module__), "checkpoint_filter_fn", None)
    # timm interpolates position embeddings and tables of relative positions; filters are never resized.
    odd = [name for name in odd if "pos" in name.rpartition(".")[2] and found[name].ndim == own[name].ndim]
    if not odd or convert is None:
        return found, []
    above = next((prefix for prefix in ("body.model.",) if odd[0].startswith(prefix)), "")
    try:
        with torch.no_grad():
            converted = convert({name.removeprefix(above): tensor for name, tensor in found.items()}, inner)
    except (RuntimeError, ValueError, KeyError, AttributeError, AssertionError, TypeError):
        # What it can't convert has another shape than the backbone's: that is said.
        return found, []
    done = []
    for name in odd:
        tensor = converted.get(name.removeprefix(above))
        if isinstance(tensor, Tensor) and tensor.shape == own[name].shape:
            found[name] = tensor
            done.append(name)
    return found, done


def _other_shape(backbone: Backbone, file: Path, name: str, found: Tensor, wanted: Tensor) -> InputError:
    mend = "name the backbone, and the backbone_settings, that the weights are of"
    if found.ndim == wanted.ndim == 4 and {found.shape[1], wanted.shape[1]} == {2, 3}:
        sees_edges = any(isinstance(part, SobelConv2d) for part in backbone.network.modules())
        mend = f"give {setting('backbone_settings.sobel', not sees_edges)}"
    shapes = ["x".join(map(str, tensor.shape)) for tensor in (found, wanted)]
    return InputError(f"{name} is {shapes[0]}", where=file, expected=f"{shapes[1]} as in the backbone", mend=mend)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
