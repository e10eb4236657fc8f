"""Runs the checks one after the other over all people, and saves the result of each check when it is complete."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.engine.events import CheckFinished, Listener
from cicscenario.errors import InterruptedRunError
from cicscenario.state.rows import CheckRow
from cicscenario.state.store import Store

FAILING_SHOWN = 20
_BATCH = 500
_STOP_POLL = 0.2  # seconds between tests of ``stopping``

Problems = dict[int, str]


def verify(checks: Sequence[Check], context: RunContext, size: int, listener: Listener) -> list[CheckRow]:
    """Runs ``checks`` over people ``0 <= id < size``. A person who is missing or has no account is an error of each check.

    Raises InterruptedRunError within a second after the context's ``stopping`` is set; the results of complete checks are
    kept.
    """
    rows = []
    for check in checks:
        row = _run_check(check, context, size)
        context.state.record_checks([row])
        listener(finished(row))
        rows.append(row)
    return rows


def finished(row: CheckRow) -> CheckFinished:
    """The event of a check's result."""
    first = f"person {row.failing[0]['person']}: {row.failing[0]['problem']}" if row.failing else None
    return CheckFinished(row.name, row.errors, row.total, row.allowed, first)


def _run_check(check: Check, context: RunContext, size: int) -> CheckRow:
    verifier = check.verifier(context)
    errors = 0
    failing: list[dict[str, object]] = []
    batches = [(first, min(first + _BATCH, size)) for first in range(0, size, _BATCH)]
    for problems in _batch_problems(batches, verifier, context.state, context.stopping):
        if problems is None:
            raise InterruptedRunError(f"stopped in the check {check.name}; checks change nothing")
        errors += len(problems)
        wanted = sorted(problems.items())[: FAILING_SHOWN - len(failing)]
        failing += [{"person": person, "problem": problem} for person, problem in wanted]
    return CheckRow(check.name, errors, size, check.allowed(context), failing)


def _batch_problems(
    batches: list[tuple[int, int]], verifier: Verifier, store: Store, stopping: threading.Event
) -> Iterator[Problems | None]:
    """The problems of each batch, in order. When ``stopping`` is set, yields None and ends."""
    threads = os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads, "verify")
    left = iter(batches)
    running: list[Future[Problems]] = []
    try:
        while True:
            for batch in islice(left, 2 * threads - len(running)):
                running.append(pool.submit(_problems, verifier, store, *batch))  # noqa: PERF401 -- a few at a time
            if not running:
                return
            while not stopping.is_set() and not wait(running[:1], _STOP_POLL, FIRST_COMPLETED).done:
                pass
            if stopping.is_set():
                yield None
                return
            yield running.pop(0).result()
    finally:
        # Batches that have not begun are cancelled. When the run is stopped, active ones are not waited for.
        pool.shutdown(wait=not stopping.is_set(), cancel_futures=True)


def _problems(verifier: Verifier, store: Store, first: int, stop: int) -> Problems:
    people = store.people(first, stop)
    there = [person for person in people if person.address is not None]
    problems = dict.fromkeys(range(first, stop), "has not been made yet")
    for person in people:
        del problems[person.id]
        if person.address is None:
            problems[person.id] = "has no account yet"
    return problems | (verifier(there) if there else {})
