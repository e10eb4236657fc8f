"""Slow work of a step: done by workers when the environment has any, and in this process otherwise."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Wait
from cicscenario.workers.kinds import KINDS, Common

if TYPE_CHECKING:  # a run without workers loads no Celery
    from cicscenario.workers.pool import WorkerPool


def labour(
    context: RunContext, batch: Batch, kind: str, common: Common, items: Iterable[str]
) -> Iterator[tuple[int, str]]:
    """The index and the result of each item. Ends early, or raises InterruptedRunError, when the run is stopped.

    Raises UnavailableError when no worker answers.
    """
    pool = context.workers
    if pool is None:
        yield from enumerate(KINDS[kind].here(common, items, context.stopping))
        return
    pool.tell = context.tell
    batch.result.wait = lambda: _wait(pool)
    yield from pool.each(context.lineage, kind, common, list(items))


def _wait(pool: "WorkerPool") -> Wait:
    state = pool.state()
    return Wait(f"results of workers at {state.place}", state.seconds, state.patience, state.seen)
