"""Which network of a file of weights is a backbone's: found by the names and shapes of its tensors, chosen by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from wordsight.errors import unknown
from wordsight.vision.weight_files import bare_name

# What networks that are averages over training steps are called, and the copies that are not the documented choice.
_AVERAGED = frozenset({"ema", "swa", "teacher", "averaged", "target"})
_ONLINE = frozenset({"online"})
_SECOND = frozenset({"student", "momentum", "key", "k"})
# Counters that not all checkpoints hold.
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class WeightMatch:
    """A network of a file whose tensors have the backbone's names.

    Args:
        root: What stands before those names in the file, without its last dot: ``state_dict.encoder_q``.
        names: For each of the backbone's names that are there, the name in the file.
        fitting: How many of them have the backbone's shape too, counters aside.
    """

    root: str
    names: dict[str, str]
    fitting: int


def flattened(name: str) -> str:
    """A tensor's name without its dots: timm's feature extractors rename ``stages.0`` to ``stages_0``."""
    return bare_name(name).replace(".", "_")


def matches(own: Mapping[str, Tensor], held: Mapping[str, Tensor], network: nn.Module) -> list[WeightMatch]:
    """The networks of a file that share names with a backbone, the best first.

    Args:
        own: The backbone's tensors.
        held: The file's.
        network: The backbone's network, whose children may stand by number in the file.
    """
    found: dict[tuple[int, str], dict[str, str]] = {}
    for number, wanted in enumerate(_namings(own, network)):
        for name in held:
            parts = name.split(".")
            for cut in range(len(parts)):
                mine = wanted.get("_".join(parts[cut:]))
                # Of another number of dimensions: a layer of another kind that has the same name.
                if mine is not None and own[mine].ndim == held[name].ndim:
                    found.setdefault((number, ".".join(parts[:cut])), {})[mine] = name
    networks: dict[frozenset[str], WeightMatch] = {}
    for (_, root), names in found.items():
        fitting = sum(
            held[theirs].shape == own[mine].shape for mine, theirs in names.items() if not mine.endswith(_COUNTER)
        )
        networks.setdefault(frozenset(names.values()), WeightMatch(root, names, fitting))
    return sorted(networks.values(), key=lambda each: (-each.fitting, -len(each.names)))


def choose(found: Sequence[WeightMatch], part: str, file: Path) -> tuple[WeightMatch, list[str]]:
    """The network that is taken, and where the others that fit as well lie.

    Args:
        found: The networks of the file, the best first.
        part: The one that a person asked for: a part of its root; "" for the documented choice.
        file: The file, for errors.

    Raises:
        InputError: When no network is called so.
    """
    if not found:
        return WeightMatch("", {}, 0), []
    # Those that hold as much of the backbone as any does.
    equal = [each for each in found if each.fitting == found[0].fitting and each.fitting] or [found[0]]
    if part:
        wanted = bare_name(part).split(".")
        asked = [each for each in found if _within(wanted, each.root.split("."))]
        # A name of a layer is in many roots that hold next to nothing.
        asked = [each for each in asked if 2 * len(each.names) >= len(found[0].names)]
        if not asked:
            raise unknown("network", part, [each.root or "(no prefix)" for each in equal], where=file)
        return min(asked, key=lambda each: (-each.fitting, _order(each.root))), []
    best = min(equal, key=lambda each: _order(each.root))
    return best, sorted(each.root for each in equal if each is not best)


def _within(wanted: Sequence[str], parts: Sequence[str]) -> bool:
    return any(list(parts[at : at + len(wanted)]) == list(wanted) for at in range(len(parts)))


def _order(root: str) -> tuple[bool, bool, bool, int, str]:
    """The documented choice first, whatever the order of the file."""
    words = {word for part in root.lower().split(".") for word in part.split("_")}
    return bool(words & _SECOND), not words & _ONLINE, not words & _AVERAGED, len(root), root


def _namings(own: Mapping[str, Tensor], network: nn.Module) -> list[dict[str, str]]:
    """What the backbone's tensors may be called in a file, without dots, each with the backbone's own name.

    Their names without the wrappers that hold the network here (``body.model.``); and with the network's children by
    number, as in a file of ``nn.Sequential(*network.children())`` (lightly's way to cut the classifier off).
    """
    namings = []
    above = ""
    while True:
        namings.append({flattened(name.removeprefix(above)): name for name in own})
        children = [name for name, _ in network.named_children()]
        numbers = {name: str(number) for number, name in enumerate(children)}
        if any(name != number for name, number in numbers.items()):
            namings.append({flattened(_by_number(name.removeprefix(above), numbers)): name for name in own})
        first = next(iter(own)).removeprefix(above).partition(".")[0]
        if first not in numbers or not all(name.startswith(f"{above}{first}.") for name in own):
            return namings
        above, network = f"{above}{first}.", network.get_submodule(first)


def _by_number(name: str, numbers: Mapping[str, str]) -> str:
    first, dot, rest = name.partition(".")
    return numbers.get(first, first) + dot + rest
