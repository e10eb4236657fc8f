"""The names of what is in Redis. All have a prefix, so that cic-eth's workers and ours never take each other's tasks.

Kombu keeps tasks that are fetched and not acknowledged under keys that all queues of a database share by default, and puts
those of any queue back; so these have names of their own, too.
"""

QUEUE = "cicscenario-work"  #: of tasks that need no service
TASK = "cicscenario.work"  #: the Celery task
BEATS = "cicscenario-workers"  #: a hash: a worker's name and its last sign of life
_RESULTS = "cicscenario-results"

#: ``broker_transport_options`` of Celery.
TRANSPORT = {
    "unacked_key": f"{QUEUE}-unacked",
    "unacked_index_key": f"{QUEUE}-unacked-index",
    "unacked_mutex_key": f"{QUEUE}-unacked-mutex",
    "visibility_timeout": 600,  # seconds; the run itself sends again much earlier
}


def queue(section: str | None) -> str:
    """The queue of tasks that need a service, by the section of the environment file that says where it is."""
    return f"{QUEUE}-{section}" if section else QUEUE


def results(session: str) -> str:
    """The list on which a session of a run gets its results. ``session`` is a random id."""
    return f"{_RESULTS}:{session}"


def wanted(lineage: str) -> str:
    """The key that has the session of a run that is under way: what another one of it has sent is not worked on."""
    return f"{_RESULTS}:{lineage}:wanted"


def turn(section: str) -> str:
    """The key that the worker has who may do alone what a service bears from one at a time."""
    return f"cicscenario-turn-{section}"
