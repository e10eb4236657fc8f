"""The names of what is in Redis. All have a prefix, so that cic-eth's workers and ours never take each other's tasks.

Kombu keeps tasks that are fetched and not acknowledged under keys that all queues of a database share by default, and puts
those of any queue back; so these have names of their own, too.
"""

QUEUE = "cicscenario-work"
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


def results(session: str) -> str:
    """The list on which a session of a run gets its results. ``session`` is a random id."""
    return f"{_RESULTS}:{session}"


def wanted(session: str) -> str:
    """The key that exists while the session is under way: what was sent by one that has ended is not worked on."""
    return f"{_RESULTS}:{session}:wanted"
