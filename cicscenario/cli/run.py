"""``cicscenario run``: starts a scenario or resumes it, and verifies that everybody arrived."""

import threading
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from cicscenario.backends import open_backend
from cicscenario.backends.base import BackendContext
from cicscenario.cli import workspace
from cicscenario.cli.boundary import as_told
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.connections import Connections, Service
from cicscenario.engine.events import Listener, Noted, ReportWritten
from cicscenario.engine.identity import checks_as_before, claim, compare
from cicscenario.engine.runner import Runner
from cicscenario.engine.verify import verify
from cicscenario.errors import CicScenarioError, ExitCode, InvalidError, StepFailedError
from cicscenario.language import load_scenario
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.plan.preflight import preflight
from cicscenario.report.files import write_pin_file, write_transactions, write_ussd_data_file
from cicscenario.report.summary import summary, write_summary
from cicscenario.state.store import STATE, CheckRow, Store
from cicscenario.steps.base import Context
from cicscenario.steps.keystore import reopen_lost


@dataclass(frozen=True)
class RunOptions:
    """What the command line says about a run; step names select part of it."""

    overrides: Sequence[str] = ()
    env: str | None = None
    directory: Path | None = None
    until: str | None = None
    since: str | None = None
    only: Sequence[str] = ()
    fresh: bool = False
    reconcile: bool = False
    sandbox: workspace.SandboxChoice = field(default_factory=workspace.SandboxChoice)


def run(path: Path, options: RunOptions, listener: Listener) -> ExitCode:
    """Runs the scenario in ``path``; raises what stopped it, after writing ``report.json``."""
    plan = compile_plan(load_scenario(path, options.overrides))
    selected = _selected(plan, options)
    directory = workspace.run_directory(plan.scenario, options.directory)
    with ExitStack() as held:
        held.enter_context(workspace.directory_lock(directory))
        # First of all: a damaged state is noticed before anything is started.
        store = None if options.fresh else workspace.existing_store(directory, set_aside=True)
        if store:
            held.callback(store.close)
        services = held.enter_context(workspace.connections(plan, options.env, options.sandbox))
        if Service.CHAIN in plan.services:
            held.enter_context(workspace.signer_lock(services.chain))
        if options.fresh:
            preflight(plan, services, None)  # nothing is set aside for a run that cannot begin
            if kept := workspace.set_aside(directory):
                listener(Noted(f"the earlier run was set aside as {kept}"))
                held.enter_context(workspace.directory_lock(directory))
        if store is None:
            store = Store(directory / STATE)
            held.callback(store.close)
        return _Run(plan, directory, services, store, listener, selected, reconcile=options.reconcile).go()


def _selected(plan: Plan, options: RunOptions) -> set[str] | None:
    """The steps to carry out, or None for all of them and the checks."""
    names = [step.name for step in plan.steps]
    for name in (*options.only, options.until, options.since):
        if name is not None and name not in names:
            raise InvalidError(f"this scenario has no step {name!r}", hint=f"its steps are: {', '.join(names)}")
    if not (options.only or options.until or options.since):
        return None
    first = names.index(options.since) if options.since else 0
    last = names.index(options.until) if options.until else len(names) - 1
    selected = set(names[first : last + 1]) & set(options.only or names)
    if not selected:
        raise InvalidError("the command line selects no step", hint=f"the steps in order are: {', '.join(names)}")
    return selected


class _Run:
    def __init__(
        self,
        plan: Plan,
        directory: Path,
        services: Connections,
        store: Store,
        listener: Listener,
        selected: Collection[str] | None,
        *,
        reconcile: bool,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._services = services
        self._store = store
        self._listener = listener
        self._selected = selected
        self._reconcile = reconcile
        self._runner: Runner | None = None
        self._stopping = threading.Event()
        self._lineage = ""
        self._error: CicScenarioError | None = None

    @property
    def _on_chain(self) -> bool:
        return Service.CHAIN in self._plan.services

    def go(self) -> ExitCode:
        compare(self._store, self._plan.scenario, self._services, on_chain=self._on_chain)
        code = ExitCode.INTERNAL
        try:
            with stopped_by_signals(self._stopping.set):
                code = ExitCode.OK if self._nothing_left() else self._everything()
        except (CicScenarioError, OSError) as error:
            self._error = as_told(error)
            code = self._error.exit_code if self._error else code
            raise
        finally:
            write_transactions(self._directory, self._store)
            self._report(code)
        return code

    def _nothing_left(self) -> bool:
        """Says so, when everybody is through every step and every check has found all of them."""
        size, held, counts = self._plan.size, self._store.checks(), self._store.counts()
        proved = all(
            check.name in held and held[check.name].errors == 0 and held[check.name].total == size
            for check in self._plan.checks
        )
        done = all(counts.get(step.name, (0, 0))[0] >= size for step in self._plan.steps)
        proved = proved and checks_as_before(self._store, self._plan.scenario)
        if not (done and proved and self._selected is None):
            return False
        self._listener(
            Noted(
                f"nothing to do: {size} of {size} people are through every step, and every check found all of them"
                " (`cicscenario verify` asks the services again)"
            )
        )
        return True

    def _everything(self) -> ExitCode:
        preflight(self._plan, self._services, self._store)
        self._lineage = claim(self._store, self._plan.scenario, self._services, on_chain=self._on_chain)
        self._steps()
        self._write_account_files()
        if self._selected is not None:
            return self._after_steps(ExitCode.OK)
        rows = verify(
            self._plan.checks,
            workspace.check_context(self._plan.scenario, self._services, self._directory, self._store),
            self._store,
            self._plan.size,
            self._listener,
            self._stopping,
        )
        return self._after_steps(ExitCode.CHECKS_FAILED if any(row.errors for row in rows) else ExitCode.OK)

    def _steps(self) -> None:
        if "keystore" in {step.name for step in self._plan.steps}:
            reopen_lost(self._store, self._directory)
        with ExitStack() as opened:
            ledger = None
            if self._plan.sends:
                ledger = opened.enter_context(self._services.chain.ledger(self._store, reconcile=self._reconcile))
            backend = open_backend(self._backend_context())
            opened.callback(backend.close)
            context = Context(
                self._plan.scenario,
                self._directory,
                self._plan.population,
                backend,
                self._services,
                ledger,
                self._stopping,
            )
            self._runner = Runner(self._plan, self._store, context, self._listener, only=self._selected)
            self._runner.run()

    def _backend_context(self) -> BackendContext:
        return BackendContext(
            scenario=self._plan.scenario,
            directory=self._directory,
            services=self._services,
            log=self._store,
            existing=self._plan.population.account,
            stopping=self._stopping,
            lineage=self._lineage,
        )

    def _write_account_files(self) -> None:
        names = {step.name for step in self._plan.steps}
        if "pins" in names:
            write_pin_file(self._directory, self._store, self._services.accounts)
        if "ussd_data" in names:
            write_ussd_data_file(self._directory, self._store)

    def _after_steps(self, code: ExitCode) -> ExitCode:
        """A step that failed for somebody outweighs the checks: running again may mend it."""
        for step in self._plan.steps:
            failures = self._store.failures(step.name, 1)
            if failures:
                ok, failed = self._store.counts()[step.name]
                raise StepFailedError(
                    f"step {step.name}: {ok} ok, {failed} failed, {self._plan.size - ok - failed} pending of"
                    f" {self._plan.size}; first, person {failures[0].person}: {failures[0].detail}"
                )
        counts = self._store.counts()
        for step in self._plan.steps:
            pending = self._plan.size - counts.get(step.name, (0, 0))[0]
            if pending and step.name in (self._selected or ()):
                raise StepFailedError(
                    f"step {step.name}: {pending} people pending of {self._plan.size}, who have yet to go through what"
                    f" comes before it: {', '.join(step.after)}",
                    hint="select those steps too, or none",
                )
        return code

    def _report(self, code: ExitCode) -> None:
        held: dict[str, CheckRow] = self._store.checks()
        checks = [held[check.name] for check in self._plan.checks if check.name in held]
        tallies = self._runner.tallies if self._runner else {}
        report = summary(self._plan, self._store, checks, code, tallies, services=self._services, error=self._error)
        write_summary(self._directory, report)
        self._listener(ReportWritten(str(self._directory)))
