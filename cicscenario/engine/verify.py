"""Asks the services about everybody, check by check, and keeps what they found."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cicscenario.checks.base import Check, CheckContext, Verifier
from cicscenario.engine.events import CheckFinished, Listener
from cicscenario.errors import InterruptedRunError
from cicscenario.state.store import CheckRow, Store

FAILING_SHOWN = 20
_BATCH = 500


def verify(
    checks: Sequence[Check],
    context: CheckContext,
    store: Store,
    size: int,
    listener: Listener,
    stopping: threading.Event,
) -> list[CheckRow]:
    """Runs ``checks`` over people ``0 <= id < size``; someone who is not there, or has no account, is an error too.

    Raises InterruptedRunError once ``stopping`` is set, and then keeps nothing of what it found.
    """
    rows = []
    for check in checks:
        row = _over_everybody(check, context, store, size, stopping)
        first = f"person {row.failing[0]['person']}: {row.failing[0]['problem']}" if row.failing else None
        listener(CheckFinished(row.name, row.errors, row.total, row.allowed, first))
        rows.append(row)
    store.record_checks(rows)
    return rows


def _over_everybody(
    check: Check, context: CheckContext, store: Store, size: int, stopping: threading.Event
) -> CheckRow:
    verifier = check.verifier(context)
    errors = 0
    failing: list[dict[str, object]] = []
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        batches = [(first, min(first + _BATCH, size)) for first in range(0, size, _BATCH)]
        for problems in pool.map(lambda batch: _problems(verifier, store, *batch), batches):
            if stopping.is_set():
                raise InterruptedRunError(f"stopped while checking {check.name}; nothing was changed by that")
            errors += len(problems)
            wanted = sorted(problems.items())[: FAILING_SHOWN - len(failing)]
            failing += [{"person": person, "problem": problem} for person, problem in wanted]
    finally:
        pool.shutdown(cancel_futures=True)  # when it stops, or a service is gone, nobody else is asked about
    return CheckRow(check.name, errors, size, check.allowed(context), failing)


def _problems(verifier: Verifier, store: Store, first: int, stop: int) -> dict[int, str]:
    people = store.people(first, stop)
    there = [person for person in people if person.address is not None]
    problems = dict.fromkeys(range(first, stop), "has not been made yet")
    for person in people:
        del problems[person.id]
        if person.address is None:
            problems[person.id] = "has no account yet"
    return problems | (verifier(there) if there else {})
