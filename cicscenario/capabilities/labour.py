"""Slow work of a step or a check: done by workers when the environment has any, and in this process otherwise."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Result, Wait
from cicscenario.workers.hands import Common, Hands
from cicscenario.workers.kinds import KINDS

if TYPE_CHECKING:  # a run without workers loads no Celery
    from cicscenario.workers.pool import WorkerPool


def labour(
    context: RunContext, made: Result | None, kind: str, common: Common, items: Iterable[Any]
) -> Iterator[tuple[int, Any]]:
    """The index and the result of each item; a CicScenarioError for an item that alone has it. ``made`` says what is waited for.

    Ends early, or raises InterruptedRunError, when the run is stopped. Raises UnavailableError when no worker answers, and what
    the work raises when the rest cannot be done, wherever it is done.
    """
    pool, hands = context.workers, Hands(context.services, context.stopping)
    if pool is None:
        yield from KINDS[kind].work(hands, common, items)
        return
    pool.tell = context.tell
    if made is not None:
        made.wait = lambda: _wait(pool)
    given, own = list(items), []
    try:
        for index, end in pool.each(context.lineage, kind, common, given, context.services):
            if KINDS[kind].enough(end):
                yield index, end
            else:
                own.append(index)
    finally:
        if made is not None:
            made.wait = None
    for number, end in KINDS[kind].work(hands, common, [given[index] for index in own]) if own else ():
        yield own[number], end


def _wait(pool: "WorkerPool") -> Wait:
    state = pool.state()
    return Wait(f"results of workers at {state.place}", state.seconds, state.patience, state.seen)
