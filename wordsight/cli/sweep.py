"""The verb `sweep`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb
from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _sweep_sources() -> list[Source]:
    from wordsight.api.sweep import sweep
    from wordsight.cli.signatures import Source

    return [Source(sweep)]


def _sweep(values: Values) -> None:
    from wordsight import api
    from wordsight.api.sweep import sweep
    from wordsight.api.sweep_table import print_table

    table = api.sweep(**values.of(sweep))
    print_table(table)
    out = values["out"]
    print(f"wrote {out / 'table.csv'}, {out / 'table.json'}; next: wordsight compare {out / 'runs'}/*/*")
    if table.failures:
        many = f"{len(table.failures)} things failed" if len(table.failures) > 1 else "one thing failed"
        raise InputError(f"{many}, as said below the table", where=out, mend="run the same command again to try again")


SWEEP = Verb(
    summary="Train and measure many runs, and make one table of them; the same command goes on where it stopped.",
    example="wordsight sweep --recipes clip-resnet18-small,tp-postag-resnet18-small --corpus corpora/flickr8k "
    "--task folder:imagenette --protocol logistic,zero-shot,retrieval --seeds 0,1,2 --out sweeps/a",
    sources=_sweep_sources,
    call=_sweep,
    interrupted="what was trained and measured is kept: run the same command again to go on",
)
