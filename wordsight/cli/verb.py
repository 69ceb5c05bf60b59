"""What a verb of the command line is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


NOTHING_BEGUN = "nothing was begun"


@dataclass(frozen=True)
class Verb:
    """One thing that a person can have done.

    Args:
        summary: What it does, in a sentence.
        example: A command line that works.
        sources: Gives the dataclasses whose fields are its arguments; called only when the verb is.
        call: Does it, and prints what came out.
        interrupted: What is kept after Ctrl-C, and how to go on; or what tells it from what was given.
        values_flag: The flag that names a YAML file of values, and its help text.
        values_file: From what stands after that flag to the file.
    """

    summary: str
    example: str
    sources: Callable[[], Sequence[Source]]
    call: Callable[[Values], None]
    interrupted: str | Callable[[Values], str] = "nothing half-written is left: run the same command again"
    values_flag: tuple[str, str] = (
        "--config",
        "A YAML file of values for the flags. Command-line flags override the file.",
    )
    values_file: Callable[[str], Path] = Path

    def read(self, prog: str, words: Sequence[str]) -> Values:
        """Check the words that follow the verb.

        Args:
            prog: The verb as a person writes it.
            words: What stands after it.

        Raises:
            InputError: When a flag is unknown or missing, or a value can't be read.
        """
        from wordsight.cli.arguments import VerbParser, take_flag

        parser = VerbParser(prog, self.sources(), self.summary, self.example, self.values_flag)
        rest, file = take_flag(words, self.values_flag[0])
        return parser.read(rest, None if file is None else self.values_file(file))

    def kept(self, values: Values | None) -> str:
        """What is kept of a call that was stopped.

        Args:
            values: What was given; None where it was not read yet.
        """
        if isinstance(self.interrupted, str):
            return self.interrupted
        return NOTHING_BEGUN if values is None else self.interrupted(values)


def kept_checkpoint(values: Values) -> str:
    """What is kept of a training that was stopped: its last checkpoint, where it has written one yet.

    Args:
        values: What was given, the folder to make among it.
    """
    folder = Path(values["out"])
    if (folder / "checkpoint.safetensors").is_file():
        return "the last checkpoint is kept: go on with the same command and --resume true"
    if (folder / "config.yaml").is_file() or (folder / "language.json").is_file():
        return "no checkpoint was written yet: begin again with the same command and --resume true"
    return "nothing was written yet: run the same command again"


@dataclass(frozen=True)
class Group:
    """Verbs under one first word.

    Args:
        summary: What they have in common.
        members: Gives them by name; called only when the group is.
    """

    summary: str
    members: Callable[[], Mapping[str, Verb | Group]]
