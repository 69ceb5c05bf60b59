"""The verb `evaluate`: how good a backbone is, whoever trained it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli.verb import Verb
from wordsight.errors import some_done

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source


def _evaluate_sources() -> list[Source]:
    from wordsight.api.evaluate import evaluate
    from wordsight.cli.signatures import Source

    return [Source(evaluate, skip=frozenset({"protocols"}))]


def _evaluate(values: Values) -> None:
    from wordsight import api
    from wordsight.api.evaluate import evaluate, results_folder
    from wordsight.evaluation import print_results
    from wordsight.evaluation.results.result import result_file

    given = values.of(evaluate)
    # A network's name looks like a path.
    run = str(given.pop("run"))
    results, failed = some_done(lambda: api.evaluate(run, **given))
    print_results(results)
    folder = results_folder(run, values["out"])
    files = [str(result_file(folder, one.task, one.protocol, one.part)) for one in results]
    wrote = ", ".join(files) if len(files) < 4 else f"{len(files)} results in {folder}"
    own = Path(run).is_dir() and values["out"] is None
    following = f"wordsight report {run}" if own else f"wordsight compare {folder} runs/*"
    print(f"wrote {wrote}; next: {following}")
    if failed is not None:
        raise failed


EVALUATE = Verb(
    summary="Measure a run: probes of its backbone on labelled images, or what its heads say of captioned ones.",
    example="wordsight evaluate runs/a --task folder:imagenette --protocol logistic",
    sources=_evaluate_sources,
    call=_evaluate,
    interrupted="results that were finished are kept: run the same command again",
)
