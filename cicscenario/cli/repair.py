"""``cicscenario repair`` and ``run --again``: make again what is gone or wrong, after showing it and asking."""

from dataclasses import dataclass

from cicscenario.api.request import run_request
from cicscenario.api.runplace import RunPlace
from cicscenario.cli.asking import ask
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.engine import repair as engine
from cicscenario.engine.deadline import Deadline
from cicscenario.engine.events import Listener
from cicscenario.engine.findings import RepairPlan
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.invocation import going_on
from cicscenario.state.rows import CheckRow


@dataclass(frozen=True)
class RepairOptions:
    """The options of ``repair``, and those of ``run`` that go with ``--again``."""

    yes: bool = False
    step: str | None = None
    people: tuple[str, ...] = ()
    failed: bool = True
    deadline: Deadline | None = None


def repair(place: RunPlace, options: RepairOptions, listener: Listener) -> tuple[ExitCode, list[CheckRow]]:
    """Repairs a run. Raises InterruptedRunError, with nothing changed, for a no."""

    def agree(found: RepairPlan) -> None:
        ask("Make this again?", yes=options.yes, to="make this again")

    run = run_request(place, listener, stopped_by_signals, command="repair", deadline=options.deadline)
    return engine.repair(engine.RepairRequest(run, agree, options.step, options.people, options.failed), listener)


def require_fitting(step: str | None, people: tuple[str, ...], *, failed: bool, others: dict[str, bool]) -> None:
    """Raises InvalidError when options of ``run`` do not go together; ``others`` are those that do not go with --again."""
    if step is None and (failed or people):
        raise InvalidError(
            "--failed and --person say for whom a step is executed again, and no step is named",
            hint=f"name it with --again STEP; what is wrong is found out by itself with {going_on('repair')}",
        )
    unfit = [name for name, given in others.items() if given]
    if step is not None and unfit:
        raise InvalidError(f"--again does not go with {', '.join(unfit)}", hint="give one of them only")
