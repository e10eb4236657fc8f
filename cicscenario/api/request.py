"""The request for a run that is given to the engine."""

from contextlib import AbstractContextManager

from cicscenario.api import workspace
from cicscenario.api.revision import revision_of
from cicscenario.api.runplace import RunPlace
from cicscenario.engine.deadline import Deadline
from cicscenario.engine.events import Listener
from cicscenario.engine.run import RunRequest, Stoppable
from cicscenario.engine.select import EVERYTHING, Selection
from cicscenario.language import Environment
from cicscenario.plan.compile import Plan
from cicscenario.report.summary import write_record


def run_request(
    place: RunPlace,
    listener: Listener,
    stoppable: Stoppable,
    *,
    make_home: bool = False,
    selection: Selection = EVERYTHING,
    fresh: bool = False,
    reconcile: bool = False,
    command: str = "run",
    deadline: Deadline | None = None,
    workers: int = 0,
) -> RunRequest:
    """The request for this run. ``listener`` is told of the services of a sandbox that start; for ``make_home`` see
    ``workspace.run_directory``. ``workers``: so many are started beside the run."""

    def environment(plan: Plan) -> AbstractContextManager[Environment]:
        opened = workspace.environment(plan, place.env, place.sandbox, listener, place.home)
        if not workers:
            return opened
        from cicscenario.api.localworkers import with_workers

        return with_workers(opened, workers)

    return RunRequest(
        path=place.scenario,
        directory=lambda scenario: workspace.run_directory(scenario, place.directory, place.home, make=make_home),
        environment=environment,
        stoppable=stoppable,
        report=write_record,
        overrides=place.overrides,
        selection=selection,
        fresh=fresh,
        reconcile=reconcile,
        revision=revision_of(place.scenario),
        command=command,
        deadline=deadline,
    )
