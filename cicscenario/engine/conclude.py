"""The end of a run: tests whether work is left, writes the result files, and raises an error for incomplete steps."""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path

from cicscenario.capabilities.context import RunContext
from cicscenario.connections import Connections
from cicscenario.engine.events import Listener, ProblemsFound
from cicscenario.engine.failing import FAILING, problems_of
from cicscenario.engine.identity import checks_as_before
from cicscenario.engine.problems import Problems
from cicscenario.engine.progress import Progress
from cicscenario.engine.stopwatch import Stopwatch
from cicscenario.errors import CicScenarioError, ExitCode, StepFailedError, as_told
from cicscenario.files import filling, inner_folder, own_folder
from cicscenario.invocation import UNKNOWN, going_on
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.plan.compile import Plan
from cicscenario.state.rows import CheckRow
from cicscenario.state.store import Store
from cicscenario.unfinished import sweep
from cicscenario.wording import counted

TRANSACTIONS = "tx"  #: folder of the run directory
REJECTED = "rejected.csv"  #: file of the run directory
_DIGITS = 2  # of the names of its folders
_LINE = 200  # characters of a detail that is told in one line


@dataclass(frozen=True)
class RunEnd:
    """How a run or a verification ended; reports are made from it. ``checks`` are the results of this run only."""

    plan: Plan
    store: Store
    directory: Path
    code: ExitCode
    services: Connections | None = None  #: None when no service was asked
    error: CicScenarioError | None = None  #: the error that ended it early
    progress: Progress | None = None  #: None when no steps were executed
    checks: Collection[CheckRow] = field(default_factory=list)
    command: str = "run"  #: its name
    stopwatch: Stopwatch | None = None  #: of the command; None when it has neither run nor verified anything
    astray: int | None = None  #: people who do not pass some check of ``checks``; None when none was made

    @cached_property
    def problems(self) -> Problems:
        """What went wrong, as the state has it at the first use of this property."""
        return problems_of(self.plan, self.store)

    def tell_problems(self, listener: Listener) -> None:
        """Tells the listener what went wrong, if anything did."""
        if self.problems.people:
            found = self.problems
            listener(ProblemsFound(found.people, found.problems, str(self.directory / FAILING)))


def nothing_left(plan: Plan, store: Store, directory: Path, selected: Collection[str] | None) -> bool:
    """Whether every person is done in every step, every check passed for all of them, and every result file exists."""
    if selected is not None or store.population() < plan.size:  # people are counted faster than what is done for them
        return False
    files = [directory / file.name for step in plan.steps for file in step.step.files]
    return _is_done(plan, store) and _is_proved(plan, store) and all(file.exists() for file in files)


def _is_done(plan: Plan, store: Store) -> bool:
    counts = store.counts()
    return all(counts.get(step.name, (0, 0))[0] >= plan.size for step in plan.steps)


def _is_proved(plan: Plan, store: Store) -> bool:
    """Whether each check passed for everybody."""
    held = store.checks()
    return checks_as_before(store, plan.scenario) and all(
        check.name in held and held[check.name].errors == 0 and held[check.name].total == plan.size
        for check in plan.checks
    )


def going_on_with(plan: Plan, store: Store, *, wrong: bool, scenario: str | Path = UNKNOWN) -> str | None:
    """The whole command that goes on; None when all is done. ``wrong``: a check has found errors.

    As long as a step is not done for everybody, it is ``run``: a repair makes again only what was there once. It is ``run``
    also when a check is not made yet.
    """
    if not _is_done(plan, store):
        return going_on("run", scenario=scenario)
    if wrong:
        return going_on("repair", scenario=scenario)
    return None if _is_proved(plan, store) else going_on("run", scenario=scenario)


def write_files(plan: Plan, context: RunContext) -> None:
    """Writes the result files of the steps that have any."""
    for planned in plan.steps:
        for file in planned.step.files:
            file.write(context, context.directory / file.name, context.state.pages(through=planned.name))


def write_transactions(directory: Path, store: Store) -> None:
    """Writes each transaction to ``tx/<first two digits>/<hash>``: the raw signed bytes in hexadecimal, without 0x.

    By the digits, which are those of the hash, a folder has a few thousand files where all have millions. Keeps files that are
    there, also those of earlier versions, which had no inner folders. One of another size is written again: a power cut may
    have cut it off.
    """
    top = inner_folder(directory / TRANSACTIONS)
    sweep(top)
    in_order = groupby(store.transactions_by_hash(), lambda row: row.hash.hex()[:_DIGITS])
    with filling(top) as write:
        for digits, rows in in_order:
            folder = inner_folder(top / digits)
            sweep(folder)
            for row in rows:
                path, raw = f"{folder}/{row.hash.hex()}", row.raw.hex().encode()
                if _size(path) != len(raw):
                    write(path, raw)


def _size(path: str) -> int | None:
    """The size of a file, and not of what a link there points to; None when it is not there."""
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return None


def write_rejected(directory: Path, records: BadRecords) -> None:
    """Writes the records of the source that cannot be used: file, line and reason."""
    own_folder(directory)
    records.write(directory / REJECTED)


def write_at_end(write: Callable[[], None], *, run_error: BaseException | None) -> None:
    """Calls ``write``. If it fails while ``run_error`` is being raised, its error becomes a note of ``run_error``."""
    try:
        write()
    except (CicScenarioError, OSError) as error:
        if run_error is None:
            raise
        known = as_told(error)
        run_error.add_note(f"some files could not be written: {known.message if known else error}")


def cause_and_rest(detail: str) -> tuple[str, str | None]:
    """What went wrong, and the rest of a long detail in lines of their own; None when it is short enough for one line."""
    why, *rest = detail.split("; ")
    return (why, "\n    ".join(rest)) if rest and len(detail) > _LINE else (detail, None)


def conclude(plan: Plan, store: Store, selected: Collection[str] | None) -> None:
    """Raises StepFailedError unless every person is done in every selected step.

    This error has priority over failed checks, because a resumed run may fix both.
    """
    counts = store.counts()
    for step in plan.steps:
        if failures := store.failures(step.name, 1):
            ok, failed = counts[step.name]
            why, more = cause_and_rest(failures[0].detail or "failed")
            raise StepFailedError(
                f"step {step.name}: {ok} ok, {failed} failed, {plan.size - ok - failed} pending of {plan.size}; first,"
                f" person {failures[0].person}: {why}",
                hint=more,
            )
    for step in plan.steps:
        pending = plan.size - counts.get(step.name, (0, 0))[0]
        if pending and (selected is None or step.name in selected):
            raise StepFailedError(
                f"step {step.name}: {counted(pending, 'person')} pending of {plan.size}, because the steps before it"
                f" are not done for them: {', '.join(step.after) or 'none'}",
                hint="select those steps too, or leave out --only, --since and --until"
                if selected is not None
                else None,
            )
