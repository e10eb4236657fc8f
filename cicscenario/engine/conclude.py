"""The end of a run: whether anything was left to do, the files that people expect, and whether everybody is through."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.capabilities.context import RunContext
from cicscenario.connections import Connections
from cicscenario.engine.identity import checks_as_before
from cicscenario.engine.progress import Progress
from cicscenario.errors import CicScenarioError, ExitCode, StepFailedError, as_told
from cicscenario.files import write_whole
from cicscenario.plan.compile import Plan
from cicscenario.state.rows import CheckRow
from cicscenario.state.store import Store

TRANSACTIONS = "tx"  #: folder of the run directory


@dataclass(frozen=True)
class RunEnd:
    """How a run, or a verification, ended: all that a report is made of. ``checks`` are those that were just made."""

    plan: Plan
    store: Store
    directory: Path
    code: ExitCode
    services: Connections | None = None  #: that were asked
    error: CicScenarioError | None = None  #: what ended it early
    progress: Progress | None = None  #: of its steps, when any were carried out
    checks: Collection[CheckRow] = field(default_factory=list)


def nothing_left(plan: Plan, store: Store, directory: Path, selected: Collection[str] | None) -> bool:
    """Whether everybody is through every step, every check has found all of them, and every file is there."""
    held, counts = store.checks(), store.counts()
    proved = checks_as_before(store, plan.scenario) and all(
        check.name in held and held[check.name].errors == 0 and held[check.name].total == plan.size
        for check in plan.checks
    )
    done = all(counts.get(step.name, (0, 0))[0] >= plan.size for step in plan.steps)
    files = [directory / step.step.file.name for step in plan.steps if step.step.file]
    return selected is None and done and proved and all(file.exists() for file in files)


def write_files(plan: Plan, context: RunContext) -> None:
    """Writes the file of each step that has one, of everybody who is through it."""
    for planned in plan.steps:
        if file := planned.step.file:
            file.write(context, context.directory / file.name, context.state.pages(through=planned.name))


def write_transactions(directory: Path, store: Store) -> None:
    """Writes each transaction as ``tx/<hash>``: its raw signed bytes in hexadecimal, without 0x. Skips what is there."""
    folder = directory / TRANSACTIONS
    folder.mkdir(exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    for row in store.transactions():
        if (name := row.hash.hex()) not in there:
            write_whole(folder / name, row.raw.hex())


def tell(write: Callable[[], None], *, under_way: BaseException | None) -> None:
    """Writes down how a run ended. What goes wrong with that never takes the place of an error that is ``under_way``."""
    try:
        write()
    except (CicScenarioError, OSError) as unwritten:
        if under_way is None:
            raise
        told = as_told(unwritten)
        under_way.add_note(f"not everything could be written down: {told.message if told else unwritten}")


def conclude(plan: Plan, store: Store, selected: Collection[str] | None) -> None:
    """Raises StepFailedError unless everybody is through every step that was to be done.

    It outweighs what the checks found: running again may mend it.
    """
    counts = store.counts()
    for step in plan.steps:
        if failures := store.failures(step.name, 1):
            ok, failed = counts[step.name]
            raise StepFailedError(
                f"step {step.name}: {ok} ok, {failed} failed, {plan.size - ok - failed} pending of {plan.size}; first,"
                f" person {failures[0].person}: {failures[0].detail}"
            )
    for step in plan.steps:
        pending = plan.size - counts.get(step.name, (0, 0))[0]
        if pending and (selected is None or step.name in selected):
            raise StepFailedError(
                f"step {step.name}: {pending} people pending of {plan.size}, who have yet to go through what comes before"
                f" it: {', '.join(step.after) or 'nothing'}",
                hint="select those steps too, or none" if selected is not None else None,
            )
