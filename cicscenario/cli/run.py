"""``cicscenario run``: starts a scenario or resumes it, and verifies that everybody arrived."""

import os
import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from cicscenario.backends import open_backend
from cicscenario.backends.base import BackendContext
from cicscenario.cli import workspace
from cicscenario.connections import Connections, Service
from cicscenario.engine.events import Listener, Noted, ReportWritten
from cicscenario.engine.identity import claim
from cicscenario.engine.runner import Runner
from cicscenario.engine.verify import verify
from cicscenario.errors import CicScenarioError, ExitCode, InvalidError, StepFailedError, UnavailableError
from cicscenario.language import load_scenario
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.plan.estimate import Need, answers, needs, work
from cicscenario.report.files import write_pin_file, write_transactions, write_ussd_data_file
from cicscenario.report.summary import summary, write_summary
from cicscenario.state.store import STATE, CheckRow, Store
from cicscenario.steps.base import Context


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
    sandbox: workspace.SandboxChoice = field(default_factory=workspace.SandboxChoice)


def run(path: Path, options: RunOptions, listener: Listener) -> ExitCode:
    """Runs the scenario in ``path``; raises what stopped it, after writing ``report.json``."""
    plan = compile_plan(load_scenario(path, options.overrides))
    selected = _selected(plan, options)
    directory = workspace.run_directory(plan.scenario, options.directory)
    if options.fresh and (kept := workspace.set_aside(directory)):
        listener(Noted(f"the earlier run was set aside as {kept}"))
    if earlier := workspace.existing_store(directory):  # a damaged state is noticed before anything is started
        earlier.close()
    with workspace.connections(plan, options.env, options.sandbox) as services:
        session = services.chain if Service.CHAIN in plan.services else None
        directory.mkdir(parents=True, exist_ok=True)
        with workspace.exclusive(directory, session):
            store = Store(directory / STATE)
            try:
                return _Run(plan, directory, services, store, listener, selected).go()
            finally:
                store.close()


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
    return set(names[first : last + 1]) & set(options.only or names)


class _Run:
    def __init__(
        self,
        plan: Plan,
        directory: Path,
        services: Connections,
        store: Store,
        listener: Listener,
        selected: Collection[str] | None,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._services = services
        self._store = store
        self._listener = listener
        self._selected = selected
        self._runner: Runner | None = None
        self._lineage = ""
        self._error: CicScenarioError | None = None

    def go(self) -> ExitCode:
        on_chain = Service.CHAIN in self._plan.services
        self._lineage = claim(self._store, self._plan.scenario, self._services, on_chain=on_chain)
        code = ExitCode.INTERNAL
        try:
            code = ExitCode.OK if self._nothing_left() else self._everything()
        except CicScenarioError as error:
            code, self._error = error.exit_code, error
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
        self._preflight()
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
        )
        return self._after_steps(ExitCode.CHECKS_FAILED if any(row.errors for row in rows) else ExitCode.OK)

    def _steps(self) -> None:
        stopping = threading.Event()
        with ExitStack() as opened:
            ledger = opened.enter_context(self._services.chain.ledger(self._store)) if self._plan.sends else None
            backend = open_backend(self._backend_context(stopping))
            opened.callback(backend.close)
            context = Context(
                self._plan.scenario, self._directory, self._plan.population, backend, self._services, ledger, stopping
            )
            self._runner = Runner(self._plan, self._store, context, self._listener, only=self._selected)
            with _stopped_by_signals(self._runner):
                self._runner.run()

    def _backend_context(self, stopping: threading.Event) -> BackendContext:
        return BackendContext(
            scenario=self._plan.scenario,
            directory=self._directory,
            services=self._services,
            log=self._store,
            existing=self._plan.population.account,
            stopping=stopping,
            lineage=self._lineage,
        )

    def _write_account_files(self) -> None:
        names = {step.name for step in self._plan.steps}
        if "pins" in names:
            write_pin_file(self._directory, self._store, self._services.accounts)
        if "ussd_data" in names:
            write_ussd_data_file(self._directory, self._store)

    def _preflight(self) -> None:
        """Nothing is changed anywhere before every service has answered and the signer can pay for all of it."""
        silent = [need for need in answers(self._plan, self._services) if not need.ok]
        if silent:
            raise UnavailableError(
                "nothing was changed, because a service is missing:\n"
                + "\n".join(f"  {need.what}: {need.has}" for need in silent),
                hint="; ".join(need.hint for need in silent if need.hint),
            )
        if self._plan.sends:
            self._can_pay()

    def _can_pay(self) -> None:
        lines = work(self._plan, self._store)
        unmet: list[Need] = [n for n in needs(self._plan, lines, self._services.chain, self._store) if not n.ok]
        if unmet:
            raise UnavailableError(
                "nothing was sent, because the signer cannot do all of it:\n"
                + "\n".join(f"  {need.what}: needs {need.needs}, has {need.has}" for need in unmet),
                hint="; ".join(need.hint for need in unmet),
            )

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
        return code

    def _report(self, code: ExitCode) -> None:
        held: dict[str, CheckRow] = self._store.checks()
        checks = [held[check.name] for check in self._plan.checks if check.name in held]
        tallies = self._runner.tallies if self._runner else {}
        report = summary(self._plan, self._store, checks, code, tallies, services=self._services, error=self._error)
        write_summary(self._directory, report)
        self._listener(ReportWritten(str(self._directory)))


@contextmanager
def _stopped_by_signals(runner: Runner) -> Iterator[None]:
    """The first ^C or SIGTERM drains and saves; the second leaves at once, which the ledger makes safe too."""
    asked = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(ExitCode.INTERRUPTED)
        asked = True
        runner.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
