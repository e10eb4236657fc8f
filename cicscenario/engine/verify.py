"""Runs the checks one after the other over all people, and saves the result of each check when it is complete."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice

from cicscenario.capabilities.check import Check, NotKnown
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.readback import PeopleSet
from cicscenario.engine.events import CheckFinished, CheckProgressed, Listener
from cicscenario.errors import InterruptedRunError, UnavailableError
from cicscenario.state.rows import CheckRow, Made, Outcome
from cicscenario.state.store import Store
from cicscenario.wording import counted

FAILING_SHOWN = 20
_SAMPLE, _EVERY = 20, 10  # people whose results were read back and who are asked about: this many, or one in so many
_AT_WORKERS = 16  # batches at a time, so that there is enough for many machines
_STOP_POLL = 0.2  # seconds between tests of ``stopping``

Problems = dict[int, str]


class NotMade(str):
    """A person's problem: there was nothing to ask the service about."""

    __slots__ = ()


def verify(
    checks: Sequence[Check], context: RunContext, size: int, listener: Listener, astray: PeopleSet | None = None
) -> list[CheckRow]:
    """Runs ``checks`` over people ``0 <= id < size``. A person who is missing or has no account is an error of each check.

    Everybody who does not pass some check is added to ``astray``.

    People whose result this run wrote and read back, and who lack it now, are no longer done in the step that wrote it. Raises
    InterruptedRunError within a second after the context's ``stopping`` is set; the results of complete checks are
    kept.
    """
    rows = []
    for check in checks:
        row = _run_check(check, context, size, listener, PeopleSet() if astray is None else astray)
        context.state.record_checks([row])
        listener(finished(row))
        rows.append(row)
    return rows


def require_answers(rows: Sequence[CheckRow]) -> None:
    """Raises UnavailableError when a check could not ask about everybody: then it is not known who has arrived."""
    for row in rows:
        if row.unasked:
            raise UnavailableError(
                f"check {row.name} could not ask about {row.unasked} of {counted(row.total, 'person')}: {row.why}"
            )


def finished(row: CheckRow) -> CheckFinished:
    """The event of a check's result."""
    first = f"person {row.failing[0]['person']}: {row.failing[0]['problem']}" if row.failing else None
    return CheckFinished(row.name, row.errors, row.total, row.allowed, first, row.read_back)


def _run_check(check: Check, context: RunContext, size: int, listener: Listener, astray: PeopleSet) -> CheckRow:
    began = context.clock()
    listener(CheckProgressed(check.name, 0, size, 0, 0.0))
    verifier = check.verifier(context)
    known = _still_known(check, context, size)
    errors = read_back = unasked = 0
    why = ""
    failing: list[dict[str, object]] = []
    context.state.begin_findings(check.name)
    batches = [(first, min(first + check.batch, size)) for first in range(0, size, check.batch)]
    threads = _AT_WORKERS if context.workers else os.cpu_count() or 1
    parts = _with_batches(batches, _Question(verifier, context.state, known), context.stopping, threads)
    for (first, done), part in parts:
        if part is None:
            raise InterruptedRunError(f"stopped in the check {check.name}; checks change nothing")
        problems, spared = part
        read_back += spared
        errors += len(problems)
        _reopen(check, context, problems)
        context.state.add_findings(check.name, first, {who: (why, _made(why)) for who, why in problems.items()})
        for person, problem in problems.items():
            if isinstance(problem, NotKnown):
                unasked, why = unasked + 1, why or problem
            else:
                astray.add(person)
        wanted = sorted(problems.items())[: FAILING_SHOWN - len(failing)]
        failing += [{"person": person, "problem": problem} for person, problem in wanted]
        if done < size:
            listener(CheckProgressed(check.name, done, size, errors, round(context.clock() - began, 3)))
    return CheckRow(check.name, errors, size, check.allowed(context), failing, read_back, unasked, why)


def _made(problem: str) -> Made:
    if isinstance(problem, NotMade):
        return Made.NOT_MADE
    return Made.NOT_ASKED if isinstance(problem, NotKnown) else Made.YES


def _reopen(check: Check, context: RunContext, problems: Problems) -> None:
    """Marks a step as failed for people whose result this run has read back and who lack it now: the next run repeats it."""
    written = context.read_back.of(check.read_back_by)
    gone = [
        Outcome(person, ok=False, detail=f"was written and read back, and is gone since: {problem}")
        for person, problem in problems.items()
        if person in written and not isinstance(problem, NotKnown)
    ]
    if gone and check.read_back_by:
        context.state.commit(check.read_back_by, gone)


def _still_known(check: Check, context: RunContext, size: int) -> PeopleSet:
    """The people about whom the check need not ask, since the run has read their result back.

    A service may have lost since what it had. So some of them are asked about, and if one of these has a problem, or if the
    check finds it doubtful, everybody is. This process asks, since workers may have said that they had read the results back.
    """
    known = context.read_back.of(check.read_back_by)
    if not known or check.doubtful(context):
        return PeopleSet()
    sample = [person for person in range(0, size, max(_EVERY, size // _SAMPLE)) if person in known]
    people = [person for who in sample for person in context.state.people(who, who + 1) if person.address is not None]
    if not people:
        return known
    return PeopleSet() if check.verifier(replace(context, workers=None))(people) else known


def _with_batches(
    batches: list[tuple[int, int]], question: "_Question", stopping: threading.Event, threads: int
) -> Iterator[tuple[tuple[int, int], tuple[Problems, int] | None]]:
    """The answers of each batch, in order, with the batch. When ``stopping`` is set, yields None for one, and ends."""
    pool = ThreadPoolExecutor(threads, "verify")
    left = iter(batches)
    running: list[Future[tuple[Problems, int]]] = []
    ended = 0
    try:
        while True:
            for batch in islice(left, 2 * threads - len(running)):
                running.append(pool.submit(question, *batch))  # noqa: PERF401 -- a few at a time
            if not running:
                return
            while not stopping.is_set() and not wait(running[:1], _STOP_POLL, FIRST_COMPLETED).done:
                pass
            if stopping.is_set():
                yield batches[ended], None
                return
            yield batches[ended], running.pop(0).result()
            ended += 1
    finally:
        # Batches that have not begun are cancelled. When the run is stopped, active ones are not waited for.
        pool.shutdown(wait=not stopping.is_set(), cancel_futures=True)


@dataclass(frozen=True)
class _Question:
    """Asks about people, except those of whom the answer is ``known`` to be good."""

    verifier: Verifier
    store: Store
    known: PeopleSet

    def __call__(self, first: int, stop: int) -> tuple[Problems, int]:
        """The problems of people ``first <= id < stop``, and the number of people who were not asked about."""
        people = self.store.people(first, stop)
        problems: Problems = dict.fromkeys(range(first, stop), NotMade("has not been made yet"))
        asked = []
        spared = 0
        for person in people:
            del problems[person.id]
            if person.address is None:
                problems[person.id] = NotMade("has no account yet")
            elif person.id in self.known:
                spared += 1
            else:
                asked.append(person)
        return problems | (self.verifier(asked) if asked else {}), spared
