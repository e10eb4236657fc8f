"""Which run the command line means, and the request for it that the commands about a run give to the engine."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cicscenario.cli import workspace
from cicscenario.cli.home import home
from cicscenario.cli.interrupts import stopped_by_signals
from cicscenario.cli.revision import revision_of
from cicscenario.engine.events import Listener
from cicscenario.engine.run import RunRequest
from cicscenario.engine.select import EVERYTHING, Selection
from cicscenario.report.summary import write_record


@dataclass(frozen=True)
class RunPlace:
    """The run that is meant: a scenario and the options that lead to its run directory and its services."""

    scenario: Path
    overrides: tuple[str, ...] = ()
    directory: Path | None = None
    env: str | None = None
    sandbox: workspace.SandboxChoice = field(default_factory=workspace.SandboxChoice)

    def with_values(self, values: tuple[str, ...]) -> "RunPlace":
        """The same with more values for --set."""
        return replace(self, overrides=(*self.overrides, *values))


def run_request(
    place: RunPlace,
    listener: Listener,
    *,
    find: Callable[[], Path] = home,
    selection: Selection = EVERYTHING,
    fresh: bool = False,
    reconcile: bool = False,
    command: str = "run",
) -> RunRequest:
    """The request for this run. ``find`` gives the home folder; ``listener`` is told of the services of a sandbox that start."""
    return RunRequest(
        path=place.scenario,
        directory=lambda scenario: workspace.run_directory(scenario, place.directory, find),
        environment=lambda plan: workspace.environment(plan, place.env, place.sandbox, listener),
        stoppable=stopped_by_signals,
        report=write_record,
        overrides=place.overrides,
        selection=selection,
        fresh=fresh,
        reconcile=reconcile,
        revision=revision_of(place.scenario),
        command=command,
    )
