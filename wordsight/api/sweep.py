"""The verb `sweep`: many runs trained and measured, and one table made of them; it goes on where it stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from wordsight.api.corpus import build_corpus, open_corpus
from wordsight.api.sweep_measured import best_rate, run_of, trained, unmeasured
from wordsight.api.sweep_plan import LOGS, SweepPlan, SweepRun, planned, reader_of
from wordsight.api.sweep_settings import SweepSettings, one_corpus
from wordsight.api.sweep_worker import COMMAND
from wordsight.corpus import Corpus
from wordsight.errors import said, setting
from wordsight.locks import sole_writer
from wordsight.parallel import cores
from wordsight.progress import console, progress_bar
from wordsight.ranges import LearningRateTried, Processes, Seed, check_argument
from wordsight.settings import from_mapping

if TYPE_CHECKING:
    from wordsight.api.sweep_table import SweepTable

# What libraries read how many threads they may take from.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Seconds that a run has to write its checkpoint when the sweep is stopped.
_STOPPING = 60.0


class SweepOptions(TypedDict, total=False):
    """What a sweep does besides, and what of its one corpus is learned from.

    Args:
        lrs: Learning rates that are tried at the first seed; the one with the best mean over tasks under the first
            protocol is taken for the other seeds. By default the recipes' own.
        only: Rows of a file that are trained now, with those that they begin with; by default all.
        split: Of ``corpus``, the split to train on; by default train where there are splits, else all.
        test: Of ``corpus``, the split that the heads are asked about; by default test where there are splits, else all.
        data: Folder that relative paths of corpora and tasks begin in; by default the current one.
        step_cost: Time a step of each row against that of its bare backbone, and measure its memory; by default true.
        jobs: How many runs are trained at a time, 1 by default; the threads are divided among them.
    """

    lrs: Sequence[LearningRateTried]
    only: Sequence[str]
    split: str
    test: str
    data: Path | str
    step_cost: bool
    jobs: Processes


def sweep(
    *,
    out: Path | str,
    recipes: Sequence[str] = (),
    rows: dict[str, Any] | None = None,
    corpus: Path | str | None = None,
    task: Sequence[str] = (),
    protocol: Sequence[str] = (),
    corpora: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    seeds: Sequence[Seed] = (0,),
    **options: Unpack[SweepOptions],
) -> SweepTable:
    """Train and measure many runs, and make one table of them; given again, it goes on where it stopped.

    Nothing is trained or measured twice. A run that fails is reported below the table and stops no other; it is tried
    again when the sweep is given again.

    Args:
        out: The folder of the sweep to make, or to go on with.
        recipes: Recipes, by name or file: a row of the table each.
        rows: Rows by name, each a recipe, or a recipe with settings that it changes
            (``{wide: {recipe: clip-resnet18-small, objective_settings: {width: 512}}}``); with ``begins_with: ROW``
            from the weights that another row has learned.
        corpus: The folder of the corpus that all learn from.
        task: Labelled images, as ``wordsight evaluate`` takes them.
        protocol: How it is measured; by default logistic. Protocols of tasks (logistic, zero-shot) are asked on every
            task, those of a corpus (retrieval, tags, pointing) on its test split; an objective that can't answer one is
            not asked it.
        corpora: Corpora by name, each with what is asked of the runs that learn from it: ``corpus`` (a folder) or
            ``build`` (a reader with its values), ``split``, ``test``, ``tasks``, ``protocols``, ``rows``, ``seeds``,
            ``settings``.
        settings: Settings of all runs, such as ``{epochs: 10, image_size: 64}``.
        seeds: Seeds of each row.
        options: See :class:`SweepOptions`.

    Returns:
        The table; it is also written to ``table.csv`` and ``table.json`` in ``out``.

    Raises:
        InputError: When something is unknown, before anything is trained; or when ``out`` holds other runs.
        KeyboardInterrupt: When the person stopped it; runs under way write a checkpoint first.

    Examples:
        >>> import wordsight
        >>> table = wordsight.sweep(
        ...     out="sweeps/a", recipes=["random-resnet18-small"], corpus="corpora/photos", task=["folder:classes"],
        ...     protocol=["knn"], settings={"image_size": 32, "batch_size": 6},
        ... )
        >>> [row.name for row in table.rows], [column.protocol for column in table.columns]
        (['random-resnet18-small'], ['knn'])
    """
    jobs = 1 if options.get("jobs") is None else options["jobs"]
    check_argument("jobs", jobs, Processes)
    one = one_corpus(corpus, options.get("split") or "", options.get("test") or "", task, protocol)
    named = {**{Path(recipe).stem: recipe for recipe in recipes}, **(rows or {})}
    given = {"rows": named, "corpora": {**one, **(corpora or {})}, "settings": settings or {}, "seeds": list(seeds)}
    return _swept(_settings(given, options), Path(out), jobs)


def _settings(given: Mapping[str, Any], options: SweepOptions) -> SweepSettings:
    also: dict[str, Any] = {"lrs": list(options.get("lrs") or ()), "data": str(options.get("data") or "")}
    step_cost = options.get("step_cost") is not False
    found = from_mapping(SweepSettings, {**given, **also, "step_cost": step_cost}, None, within="")
    only = options.get("only") or ()
    return found.only(only) if only else found


def _swept(settings: SweepSettings, out: Path, jobs: int) -> SweepTable:
    plan = planned(settings, out)
    with sole_writer(plan.out):
        opened = _corpora(plan)
        _check_trained(plan, opened)
        done = _Sweep(plan, jobs)
        done.run()
        return _written(plan, done.failures)


def _corpora(plan: SweepPlan) -> dict[str, Corpus]:
    """The corpora, built where they are not yet."""
    found = {}
    for name, block in plan.settings.corpora.items():
        place = plan.place(name)
        if block.build and not place.exists():
            build_corpus(reader_of(plan, name), out=place)
        found[name] = open_corpus(place)
    return found


def _check_trained(plan: SweepPlan, opened: Mapping[str, Corpus]) -> None:
    """Runs that are there already are those that are asked for."""
    for row, corpus in plan.pairs():
        for lr in plan.rates(row, corpus):
            for seed in plan.seeds(corpus):
                trained(run_of(plan, row, corpus, lr, seed), opened[corpus])


def _written(plan: SweepPlan, failures: Sequence[str]) -> SweepTable:
    from wordsight.api.sweep_table import sweep_table, write_table

    table = sweep_table(plan, {pair: best_rate(plan, *pair) for pair in plan.pairs()}, failures)
    write_table(table, plan.out)
    return table


@dataclass
class _Sweep:
    """The processes of a sweep: which run comes next, and what became of those before."""

    plan: SweepPlan
    jobs: int
    failures: list[str] = field(default_factory=list)
    _under_way: set[subprocess.Popen[str]] = field(default_factory=set)
    _stopped: bool = False

    def run(self) -> None:
        """Train and measure all runs; then time a step of each row, one at a time."""
        with progress_bar() as bar, self._processes() as pool:
            total = sum(len(self.plan.rates(*pair)) + len(self.plan.seeds(pair[1])) - 1 for pair in self.plan.pairs())
            task = bar.add_task("runs", total=total, note="")
            for pairs in self.plan.waves():
                for name in self._trained(pairs, pool):
                    bar.update(task, advance=1, note=name)
            if self.plan.settings.step_cost:
                self._costs(pool)

    def _trained(self, pairs: Sequence[tuple[str, str]], pool: ThreadPoolExecutor) -> Iterator[str]:
        """Train and measure the runs of some rows, none of which waits for another; gives each name at its end."""
        seeds = {pair: self.plan.seeds(pair[1]) for pair in pairs}
        tried = {
            pair: [run_of(self.plan, *pair, lr, seeds[pair][0]) for lr in self.plan.rates(*pair)] for pair in pairs
        }
        left = {pair: len(runs) for pair, runs in tried.items()}
        waiting = {pool.submit(self._of_run, run): run for runs in tried.values() for run in runs}
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                run = waiting.pop(future)
                yield future.result()
                pair = run.row, run.corpus
                left[pair] -= 1
                if left[pair] == 0:
                    # All rates have been tried at the first seed.
                    rate = best_rate(self.plan, *pair)
                    later = [run_of(self.plan, *pair, rate, seed) for seed in seeds[pair][1:]]
                    waiting |= {pool.submit(self._of_run, each): each for each in later}

    def _costs(self, pool: ThreadPoolExecutor) -> None:
        """Each by itself: others beside it would be timed too."""
        seen: set[str] = set()
        for row, corpus in self.plan.pairs():
            run = run_of(self.plan, row, corpus, best_rate(self.plan, row, corpus), self.plan.seeds(corpus)[0])
            file = run.cost_file
            if row in seen or run.settings.epochs == 0 or trained(run) is None:
                continue
            seen.add(row)
            if not file.is_file():
                work = {"cost": str(run.folder), "place": str(run.place), "out": str(file)}
                future: Future[str] = pool.submit(self._process, work, run, "step cost", cores())
                future.result()

    def _of_run(self, run: SweepRun) -> str:
        """Train and measure one run, where that is not done; gives a few words on it."""
        if trained(run) is not None and not unmeasured(run):
            return f"{run.folder.name} was done"
        if run.row in self.plan.begins_with and not Path(run.settings.weights).is_file():
            before = self.plan.begins_with[run.row]
            self.failures.append(f"{run.corpus}, {run.folder.name}, training: {before} has no weights to begin with")
            return run.folder.name
        work = {"run": run.as_json(), "preparing": str(self.plan.out / ".preparing.lock")}
        return self._process(work, run, "training", max(1, cores() // self.jobs))

    def _process(self, work: Mapping[str, Any], run: SweepRun, what: str, threads: int) -> str:
        """One process, from its start to its end."""
        if self._stopped:
            return ""
        log = self.plan.out / LOGS / f"{run.folder.parent.name}-{run.folder.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        given = {name: value for name in _THREADS if (value := os.environ.get(name, "")).isdigit()}
        environment = {**os.environ, **{name: str(min(threads, int(given.get(name, threads)))) for name in _THREADS}}
        told: list[str] = []
        failed = False
        with log.open("a", encoding="utf-8") as to:
            process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=to,
                env=environment,
                text=True,
                # Ctrl-C is for the sweep, which tells its runs.
                start_new_session=True,
            )
        self._under_way.add(process)
        with process:
            assert process.stdin is not None and process.stdout is not None
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(work) + "\n")
                process.stdin.flush()
            for line in process.stdout:
                event = json.loads(line)
                if "failed" in event:
                    failed = True
                    self.failures.append(f"{run.corpus}, {run.folder.name}, {event['failed']}: {event['why']}")
                elif "measured" in event:
                    told.append(f"{event['measured']} {event['value']:.1f}")
            # Leaving closes its standard input, upon which it would end at once.
            process.wait()
        self._under_way.discard(process)
        if process.returncode and not self._stopped and not failed:
            failed = True
            self.failures.append(f"{run.corpus}, {run.folder.name}, {what}: {_ended(process.returncode)}; see {log}")
        end = "failed" if failed else "stopped" if self._stopped else "done"
        became = "; ".join(told) or end
        line = f"{run.corpus}, {run.folder.name}: {became}"
        console.print(line, markup=False, soft_wrap=True)
        return run.folder.name

    @contextmanager
    def _processes(self) -> Iterator[ThreadPoolExecutor]:
        """A thread for each process at a time; when the sweep is stopped, they are stopped too."""
        pool = ThreadPoolExecutor(self.jobs)
        try:
            yield pool
        except BaseException:
            self._stopped = True
            pool.shutdown(wait=False, cancel_futures=True)
            self._stop()
            raise
        finally:
            pool.shutdown()

    def _stop(self) -> None:
        """Let runs write a checkpoint; what takes too long is killed, and goes on from the checkpoint before."""
        console.print("stopping the runs under way", markup=False)
        for process in list(self._under_way):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        for process in list(self._under_way):
            try:
                process.wait(_STOPPING)
            except subprocess.TimeoutExpired:
                process.kill()


def _ended(status: int) -> str:
    """How a process ended that did not say so itself."""
    if status > 0:
        return "a bug in wordsight ended it"
    killed = f"signal {-status} ended it"
    if status == -signal.SIGKILL:
        killed += said(f" (out of memory? give fewer {setting('jobs')})")
    return killed
