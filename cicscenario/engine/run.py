"""One run, from the scenario file to the report: load, compile, open, preflight, claim, execute, verify, report.

Each stage is one function. ``run`` and ``carry_out`` call them in order.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from cicscenario.capabilities.context import KEYSTORE, RunContext
from cicscenario.capabilities.descriptor import descriptor
from cicscenario.capabilities.readback import PeopleSet, ReadBack
from cicscenario.capabilities.redo import Redo
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.lock import signer_lock
from cicscenario.connections import Connections, Service
from cicscenario.engine.conclude import (
    REJECTED,
    RunEnd,
    conclude,
    nothing_left,
    write_at_end,
    write_files,
    write_rejected,
    write_transactions,
)
from cicscenario.engine.deadline import Deadline, Deadlines
from cicscenario.engine.events import (
    DirectoryTaken,
    Listener,
    Noted,
    ReportWritten,
    RunStarted,
    StageStarted,
)
from cicscenario.engine.identity import claim, compare
from cicscenario.engine.lost import reopen_lost
from cicscenario.engine.progress import Progress
from cicscenario.engine.recognise import PlanRecogniser, own_keys
from cicscenario.engine.records import Recorder, earlier_timeline, who, write_progress
from cicscenario.engine.runner import Runner
from cicscenario.engine.select import EVERYTHING, Selection, select_steps
from cicscenario.engine.services import open_services
from cicscenario.engine.stopwatch import Stopwatch
from cicscenario.engine.verify import require_answers, verify
from cicscenario.errors import CicScenarioError, DeadlineError, ExitCode, InterruptedRunError, as_told
from cicscenario.files import own_folder
from cicscenario.invocation import going_on
from cicscenario.language import Environment, Scenario
from cicscenario.legacy.badrecords import BadRecordsError
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.plan.preflight import preflight
from cicscenario.state.directory import directory_lock, existing_store, set_aside, used_before
from cicscenario.state.inspection import InspectBeside
from cicscenario.state.rows import CheckRow
from cicscenario.state.store import STATE, Store
from cicscenario.unfinished import sweep
from cicscenario.vocabulary import load_scenario
from cicscenario.wording import agreeing, counted

OPENING, ASKING = "opening the services", "asking the services"  #: stages of every command that asks services
COMPARING, WRITING = "comparing the state with the chain", "writing the result files"  #: and of those that run steps
#: A context manager that calls the given function when the user asks to stop.
Stoppable = Callable[[Callable[[], None]], AbstractContextManager[None]]


@dataclass(frozen=True)
class RunRequest:
    """The arguments of a run. ``directory`` gives the run directory of a scenario, ``environment`` opens a plan's environment.

    ``report`` writes the reports. ``revision`` is that of the scenario's file in git, if it is in git.
    """

    path: Path
    directory: Callable[[Scenario], Path]
    environment: Callable[[Plan], AbstractContextManager[Environment]]
    stoppable: Stoppable
    report: Callable[[RunEnd], None]
    overrides: tuple[str, ...] = ()
    selection: Selection = EVERYTHING
    fresh: bool = False
    reconcile: bool = False
    revision: str = ""
    command: str = "run"  #: its name, for the report
    stopwatch: Stopwatch = field(default_factory=Stopwatch)  #: of the command
    deadline: Deadline | None = None  #: of the command, which may make several runs


@dataclass
class Run:
    """An open run: its locks are held and its services are connected."""

    request: RunRequest
    plan: Plan
    selected: frozenset[str] | None  #: names of the steps to carry out; None for all of them and the checks
    directory: Path
    services: Connections
    listener: Listener
    stopping: threading.Event
    deadlines: Deadlines
    store: Store | None  #: None until the state of a --fresh run is created
    held: ExitStack = field(repr=False)  #: releases locks and connections at the end
    used: bool = False  #: the run directory was used before
    progress: Progress | None = None
    checks: list[CheckRow] = field(default_factory=list)
    astray: PeopleSet = field(default_factory=PeopleSet)  #: people who do not pass some check
    read_back: ReadBack = field(default_factory=ReadBack)
    redo: Redo = field(default_factory=Redo)  #: what a repair makes again

    @property
    def state(self) -> Store:
        if self.store is None:
            raise AssertionError("the state of this run has not been opened yet")
        return self.store

    def context(self) -> RunContext:
        """The context for checks; ``execute`` adds the ledger and the backend for steps."""
        context = context_of(self.plan, self.directory, self.services, self.state, self.stopping)
        tell = lambda text: self.listener(Noted(text))  # noqa: E731
        return replace(context, read_back=self.read_back, tell=tell, redo=self.redo)


def run(request: RunRequest, listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
    """Runs a scenario. Returns the exit code and the check results. Raises the error that stopped it, after reporting."""
    scenario = load_scenario(request.path, request.overrides)
    try:
        plan = compile_plan(scenario)
    except BadRecordsError as error:
        write_rejected(request.directory(scenario), error.records)
        error.hint = f"{error.hint or 'mend them'}; all of them are in {request.directory(scenario) / REJECTED}"
        raise
    with open_run(request, plan, listener) as this:
        code = report(this, carry_out)
    return code, this.checks


def carry_out(this: Run) -> ExitCode:
    """The stages between opening a run and reporting it."""
    if this.request.fresh:
        this.listener(StageStarted(ASKING))
        warnings = preflight(this.plan, this.services, None)  # first: if it fails, the earlier run stays in its place
        start_fresh(this)
    else:
        this.listener(StageStarted(COMPARING))
        compare(this.state, this.plan, this.services)
        look_back(this)
        reopen_lost(this.plan, this.context())
        if nothing_left(this.plan, this.state, this.directory, this.selected):
            this.state.await_check()
            this.listener(
                Noted(
                    f"nothing to do: {this.plan.size} of {counted(this.plan.size, 'person')}"
                    f" {agreeing(this.plan.size, 'are')} done in every step, and every check has passed for all of them"
                    f" (to ask the services again: {going_on('verify')})"
                )
            )
            return ExitCode.OK
        this.listener(StageStarted(ASKING))
        warnings = preflight(this.plan, this.services, this.state)
    for warning in warnings:
        this.listener(Noted(warning))
    claim(this.state, this.plan, this.services, used=this.used)
    tell_rejected(this)
    execute(this)
    this.listener(StageStarted(WRITING))
    write_files(this.plan, this.context())
    if this.selected is None:
        context = this.context()
        if this.plan.scenario.checks.read_again:
            context = replace(context, read_back=ReadBack())
        with this.progress.checking() if this.progress else nullcontext():
            this.checks = verify(this.plan.checks, context, this.plan.size, this.listener, this.astray)
    this.state.await_check()
    conclude(this.plan, this.state, this.selected)
    require_answers(this.checks)
    return ExitCode.CHECKS_FAILED if any(row.errors for row in this.checks) else ExitCode.OK


@contextmanager
def open_run(request: RunRequest, plan: Plan, listener: Listener) -> Iterator[Run]:
    """Takes the locks, and opens the state and the services. Creates an empty state if there is none."""
    selected = select_steps(plan, request.selection)
    directory = request.directory(plan.scenario)
    stopping = threading.Event()
    deadlines = Deadlines(request.deadline, plan.scenario.deadlines, stopping)
    listener = deadlines.hearing(listener)
    with ExitStack() as held:
        held.enter_context(deadlines.told())
        held.enter_context(deadlines.watching())
        held.enter_context(directory_lock(own_folder(directory)))
        listener(DirectoryTaken(str(directory)))
        for folder in (directory, directory / KEYSTORE):  # that of transactions is swept when they are written
            sweep(folder)
        # The state is opened first, so that a damaged state is reported before any service is started. Big ones are inspected
        # beside the run, which ends when damage is found.
        store = None if request.fresh else existing_store(directory, beside=InspectBeside(stopping))
        if store:
            held.callback(store.close)
        listener(StageStarted(OPENING))
        services = held.enter_context(open_services(plan, request.environment, stopping, listener, request.stopwatch))
        if plan.on_chain:
            held.enter_context(signer_lock(services.chain))
        if store is None and not request.fresh:
            store = Store(directory / STATE)
            held.callback(store.close)
        used = used_before(directory) and not request.fresh
        yield Run(request, plan, selected, directory, services, listener, stopping, deadlines, store, held, used)


def context_of(
    plan: Plan, directory: Path, services: Connections, state: Store, stopping: threading.Event
) -> RunContext:
    """The context for the plan's checks."""
    written = tuple(step.name for step in plan.steps if Service.ACCOUNTS in step.services)
    return RunContext(
        plan.scenario,
        directory,
        plan.population,
        services,
        state,
        stopping,
        written_to_accounts=written,
        size=plan.size,
        hashes=plan.hashes,
        workers=services.workers,
    )


def look_back(this: Run) -> None:
    """Finds out what the signer has sent that the state does not know: it may be an older copy. Sends nothing."""
    if this.plan.sends and (this.state.meta() or this.used):
        open_ledger(this).review()


def open_ledger(this: Run) -> Ledger:
    """The ledger of this run, not entered yet. When the chain went back, what others send is looked at again, too."""
    observed = [step.name for step in this.plan.steps if Service.CHAIN in step.services and not step.sends]
    return this.services.chain.ledger(
        this.state,
        recognise=PlanRecogniser(this.plan, this.context()),
        used=this.used,
        undone=lambda: this.state.withdraw(observed),
        reconcile=this.request.reconcile,
        stopping=this.stopping,
        own=own_keys(this.plan, this.context()),
    )


def tell_rejected(this: Run) -> None:
    """Writes the records of the source that cannot be used to the run directory, and says that people were left out."""
    if (bad := this.plan.rejected) is None:
        return
    if bad.count or (this.directory / REJECTED).exists():
        write_rejected(this.directory, bad)
    if bad.count:
        this.listener(Noted(f"{bad.summary()}; all of them are in {this.directory / REJECTED}"))


def start_fresh(this: Run) -> None:
    """Renames the directory of an earlier run, and creates a new state in its place."""
    if kept := set_aside(this.directory):
        this.listener(Noted(f"the earlier run was set aside as {kept}"))
        this.held.enter_context(directory_lock(own_folder(this.directory)))
        this.listener(DirectoryTaken(str(this.directory)))
    this.store = Store(this.directory / STATE)
    this.held.callback(this.store.close)


def execute(this: Run, plan: Plan | None = None) -> None:
    """Executes the steps for all people who are not done yet. ``plan``: one with other steps than that of the run."""
    plan, context = plan or this.plan, this.context()
    with ExitStack() as opened:
        ledger = None
        if plan.sends:
            ledger = opened.enter_context(open_ledger(this))
        context = replace(context, ledger=ledger)
        backend = descriptor(plan.scenario).open(context)
        opened.callback(backend.close)
        context = replace(context, opened=backend)
        while True:
            this.progress = _progress(this, plan)
            done = {name: tally.ok for name, tally in this.progress.steps.items()}
            this.listener(RunStarted(plan.scenario.title, str(this.directory), plan.size, done))
            pool = context.workers
            record = Recorder(this.directory, this.progress, pool.seen if pool else lambda: None)
            Runner(
                plan, context, this.progress, this.listener, only=this.selected, record=record, deadlines=this.deadlines
            ).run()
            record.now()
            if ledger is not None:
                this.listener(StageStarted("waiting until all transactions are confirmed"))
            if ledger is None or not ledger.finish():
                return
            write_progress(this.directory, this.progress)
            this.listener(Noted("the chain went back while the run was active: what it undid is done again"))


def _progress(this: Run, plan: Plan) -> Progress:
    """The progress of this session, which continues the timeline of the earlier ones."""
    return Progress(
        (step.name for step in plan.steps),
        plan.size,
        this.state.counts(),
        timeline=earlier_timeline(this.directory, lambda text: this.listener(Noted(text))),
        by=who(),
        revision=this.request.revision,
    )


def report(this: Run, body: Callable[[Run], ExitCode]) -> ExitCode:
    """Calls ``body`` and writes the reports, whether it returns or raises. Errors of ``body`` are raised again.

    An error in writing the reports never replaces the error that ended the run.
    """
    code, error = ExitCode.INTERNAL, None
    try:
        with this.request.stoppable(this.stopping.set), this.deadlines.told(lambda: this.progress):
            code = body(this)
    except (CicScenarioError, OSError) as raised:
        error = as_told(raised)
        code = error.exit_code if error else code
        if line := this.progress and this.progress.unfinished():
            raised.add_note(line)
        raise
    finally:
        if this.store:
            _await_inspection(this, this.store, sys.exc_info()[1])
            this.listener(StageStarted("writing the reports"))
            end = RunEnd(
                this.plan, this.store, this.directory, code, this.services, error, this.progress, this.checks,
                command=this.request.command, stopwatch=this.request.stopwatch, astray=len(this.astray) if this.checks else None,
            )  # fmt: skip
            write_at_end(lambda: write_transactions(this.directory, end.store), run_error=sys.exc_info()[1])
            write_at_end(lambda: this.request.report(end), run_error=sys.exc_info()[1])
            if orphans := _orphans(end):
                this.listener(Noted(orphans))
            write_at_end(lambda: end.tell_problems(this.listener), run_error=sys.exc_info()[1])
            this.listener(ReportWritten(str(this.directory)))
    return code


def _await_inspection(this: Run, store: Store, run_error: BaseException | None) -> None:
    """Waits until all of the state is inspected, unless the run is to end now: nothing is reported of a damaged state."""
    now = isinstance(run_error, InterruptedRunError | DeadlineError | KeyboardInterrupt)
    try:
        store.await_check(stoppable=now)
    except InterruptedRunError:
        this.listener(Noted("the run ended before all of its state was inspected; the next one does that"))


def _orphans(end: RunEnd) -> str | None:
    """The line about accounts of the custodial engine that belong to no person; None when there are none."""
    if not end.plan.scenario.backend.traits.custodial or not (orphans := end.store.orphans()).most:
        return None
    return f"accounts of the custodial engine that belong to no person: {orphans}"
