"""Opens the services of a run, and tells where they are and how many requests they got."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from cicscenario.connections import Connections
from cicscenario.engine.environment import shown_environment
from cicscenario.engine.events import Listener, Noted, RequestRepeated, RequestsCounted, ServicesOpened, StageStarted
from cicscenario.engine.periodic import Periodic
from cicscenario.engine.stopwatch import Stopwatch
from cicscenario.language import Environment
from cicscenario.plan.compile import Plan
from cicscenario.transport.traffic import Traffic

COUNT_EVERY = 2.0  #: seconds between two events with the number of requests


@contextmanager
def open_services(
    plan: Plan,
    environment: Callable[[Plan], AbstractContextManager[Environment]],
    stopping: threading.Event,
    listener: Listener = lambda event: None,
    stopwatch: Stopwatch | None = None,
) -> Iterator[Connections]:
    """Connects to the services of an environment. Their waits end when ``stopping`` is set.

    ``listener`` is told where they are, of each request that is sent again, and every two seconds how many there were.
    ``stopwatch`` counts the time until they are open.
    """
    traffic = Traffic(lambda repeat: listener(RequestRepeated(repeat.service, repeat.why)))
    with ExitStack() as opened:
        with (stopwatch or Stopwatch()).opening_services():
            where = opened.enter_context(environment(plan))
        listener(ServicesOpened(shown_environment(where)))
        if where.faults:
            listener(Noted(f"the sandbox has faults on: {', '.join(where.faults)}"))
        if where.pace == "real":
            listener(Noted("the sandbox keeps the real services' pace"))
        scenario = plan.scenario
        services = Connections(
            where,
            token=scenario.gift.token,
            traffic=traffic,
            dialect=scenario.backend.option("dialect") or "current",
            stopping=stopping,
        )
        count = RequestCount(traffic, listener)
        try:
            with Periodic("requests", COUNT_EVERY, count):
                yield services
        finally:
            count()
            listener(StageStarted("closing the services"))
            services.close()


class RequestCount:
    """Called, it tells the number of requests by service, if it has changed."""

    def __init__(self, traffic: Traffic, listener: Listener) -> None:
        self._traffic = traffic
        self._listener = listener
        self._told: object = {}

    def __call__(self) -> None:
        found = self._traffic.document()
        if found != self._told:
            self._told = found
            self._listener(RequestsCounted(found))
