"""Verifies an existing run again. This is possible at any time, also while the run is active."""

import threading
from dataclasses import dataclass

from cicscenario.capabilities.readback import PeopleSet
from cicscenario.connections import Service
from cicscenario.engine.conclude import RunEnd
from cicscenario.engine.deadline import Deadlines
from cicscenario.engine.events import DirectoryTaken, Listener, ReportWritten, StageStarted
from cicscenario.engine.identity import compare
from cicscenario.engine.run import ASKING, OPENING, RunRequest, context_of
from cicscenario.engine.services import open_services
from cicscenario.engine.verify import require_answers, verify
from cicscenario.errors import ExitCode
from cicscenario.plan.compile import Plan, compile_plan, narrowed_checks
from cicscenario.plan.preflight import ask_services
from cicscenario.state.directory import store_of_a_run
from cicscenario.state.inspection import InspectBeside
from cicscenario.state.rows import CheckRow
from cicscenario.vocabulary import load_scenario


@dataclass(frozen=True)
class VerifyRequest:
    """The arguments of a verification: the run, and ``include`` and ``exclude``, which narrow the scenario's checks.

    ``thorough``: checks that look closely at some people only, because that is slow, look closely at all.
    """

    run: RunRequest
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    thorough: bool = False


def reverify(request: VerifyRequest, listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
    """Runs the checks. The exit code is OK only when every check passes for every person; steps are not considered."""
    run = request.run
    scenario = load_scenario(run.path, run.overrides)
    checks = narrowed_checks(scenario, request.include, request.exclude)
    if request.thorough:
        checks = tuple(check.closely() for check in checks)
    directory = run.directory(scenario)
    stopping, astray = threading.Event(), PeopleSet()
    store = store_of_a_run(directory, run.path, beside=InspectBeside(stopping))
    deadlines = Deadlines(run.deadline, {}, stopping)
    listener = deadlines.hearing(listener)
    try:
        plan = compile_plan(scenario, store)
        listener(DirectoryTaken(str(directory)))
        listener(StageStarted(OPENING))
        with (
            deadlines.told(),
            deadlines.watching(),
            open_services(plan, run.environment, stopping, listener, run.stopwatch) as services,
            run.stoppable(stopping.set),
        ):
            listener(StageStarted(ASKING))
            asked = {service for check in checks for service in check.asks(scenario)}
            ask_services(services, asked | _chain(plan))
            compare(store, plan, services, people=False)
            context = context_of(plan, directory, services, store, stopping)
            rows = verify(checks, context, plan.size, listener, astray)
            store.await_check()
        code = ExitCode.CHECKS_FAILED if any(row.errors for row in rows) else ExitCode.OK
        end = RunEnd(
            plan, store, directory, code, services=services, checks=rows,
            command=run.command, stopwatch=run.stopwatch, astray=len(astray),
        )  # fmt: skip
        run.report(end)
        end.tell_problems(listener)
        listener(ReportWritten(str(directory)))
        require_answers(rows)
        return code, rows
    finally:
        store.close()


def _chain(plan: Plan) -> set[Service]:
    """The chain, when the plan uses it: ``compare`` needs it even if no check does."""
    return {Service.CHAIN} if plan.on_chain else set()
