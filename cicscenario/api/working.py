"""A worker with the services of an environment."""

from collections.abc import Callable

from cicscenario.connections import Connections
from cicscenario.language import Environment
from cicscenario.workers.place import WorkerPlace
from cicscenario.workers.worker import work


def work_with(environment: Environment, place: WorkerPlace, threads: int, say: Callable[[str], None]) -> None:
    """Takes tasks at ``place`` until the process is asked to stop. ``say`` gets lines for whoever has started it.

    Raises InvalidError for a section of the environment that cannot be used.
    """
    services = Connections(environment, token=None, dialect="current")  # no work calls phones
    try:
        work(place, services, services.sections, threads, say)
    finally:
        services.close()
