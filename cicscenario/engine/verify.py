"""Runs the checks over all people, and saves the result of each check when it is complete.

Checks that follow each other and ask the same services go through the people together: each part of the people is read from
the state, and held against its digests, once for all of them. At a million people that is a third of the time.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import groupby, islice

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.readback import PeopleSet
from cicscenario.engine.checktally import CheckTally, NotMade, Problems
from cicscenario.engine.events import CheckFinished, Listener
from cicscenario.errors import InterruptedRunError, UnavailableError
from cicscenario.people.person import Person
from cicscenario.state.rows import CheckRow
from cicscenario.wording import counted

_AT_WORKERS = 16  # parts at a time, so that there is enough for many machines
_STOP_POLL = 0.2  # seconds between tests of ``stopping``

#: Of each check in turn: the problems of a part of the people, and the number of people who were not asked about. A check that
#: fails gives its error, and those after it nothing.
_Answers = list[tuple[Problems, int] | Exception]


def verify(
    checks: Sequence[Check], context: RunContext, size: int, listener: Listener, astray: PeopleSet | None = None
) -> list[CheckRow]:
    """Runs ``checks`` over people ``0 <= id < size``. A person who is missing or has no account is an error of each check.

    Everybody who does not pass some check is added to ``astray``.

    People whose result this run wrote and read back, and who lack it now, are no longer done in the step that wrote it. The
    error of a check is raised when those before it are complete. Raises InterruptedRunError within a second after the context's
    ``stopping`` is set. The results of complete checks are kept in both cases.
    """
    rows = []
    for _, together in groupby(checks, lambda check: (check.asks(context.scenario), check.batch)):
        asked = _Together(together, context, size, listener)
        asked.go_through(size, PeopleSet() if astray is None else astray)
        for tally in asked.tallies:
            row = tally.row()
            context.state.record_checks([row])
            listener(finished(row))
            rows.append(row)
        if asked.error:
            raise asked.error
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


class _Together:
    """Checks that ask the same services. ``tallies`` are those that are complete when all people have been gone through.

    The first check that fails ends itself and those after it, and leaves its ``error`` here.
    """

    def __init__(self, checks: Iterable[Check], context: RunContext, size: int, listener: Listener) -> None:
        self._context = context
        self.tallies: list[CheckTally] = []
        self.error: Exception | None = None
        for check in checks:
            try:
                self.tallies.append(CheckTally(check, context, size, listener))
            except Exception as error:  # whatever it is, it is raised after those before it are complete
                self.error = error
                return

    def go_through(self, size: int, astray: PeopleSet) -> None:
        """Asks about people ``0 <= id < size``, part by part. Raises InterruptedRunError when the run is to stop."""
        if not self.tallies:
            return
        batch = self.tallies[0].check.batch
        parts = [range(first, min(first + batch, size)) for first in range(0, size, batch)]
        threads = _AT_WORKERS if self._context.workers else os.cpu_count() or 1
        for part, answers in _with_parts(parts, self._ask, self._context.stopping, threads):
            if answers is None:
                raise InterruptedRunError(f"stopped in {_named(self.tallies)}; checks change nothing")
            self._take(part, answers, astray)
            if not self.tallies:
                return

    def _ask(self, part: range) -> _Answers:
        """In a thread of its own, which sees it when a check has failed meanwhile: that one is asked about no more parts."""
        missing: Problems = dict.fromkeys(part, NotMade("has not been made yet"))
        people = []
        for person in self._context.state.people(part.start, part.stop):
            if person.address is None:
                missing[person.id] = NotMade("has no account yet")
            else:
                del missing[person.id]
                people.append(person)
        found: _Answers = []
        for tally in self.tallies:
            try:
                found.append(_asked(tally, people, missing))
            except Exception as error:  # raised by ``verify`` when the checks before it are complete
                return [*found, error]
        return found

    def _take(self, part: range, answers: _Answers, astray: PeopleSet) -> None:
        for number, (tally, answer) in enumerate(zip(self.tallies, answers, strict=False)):
            if isinstance(answer, Exception):
                self.tallies, self.error = self.tallies[:number], answer
                return
            tally.add(part, *answer, astray)


def _named(tallies: Sequence[CheckTally]) -> str:
    names = ", ".join(tally.check.name for tally in tallies)
    return f"the check{'s' * (len(tallies) > 1)} {names}"


def _with_parts(
    parts: list[range], ask: Callable[[range], _Answers], stopping: threading.Event, threads: int
) -> Iterator[tuple[range, _Answers | None]]:
    """The answers about each part, in order, with the part. When ``stopping`` is set, yields None for one, and ends."""
    pool = ThreadPoolExecutor(threads, "verify")
    left = iter(parts)
    running: list[Future[_Answers]] = []
    ended = 0
    try:
        while True:
            for part in islice(left, 2 * threads - len(running)):
                running.append(pool.submit(ask, part))  # noqa: PERF401 -- a few at a time
            if not running:
                return
            while not stopping.is_set() and not wait(running[:1], _STOP_POLL, FIRST_COMPLETED).done:
                pass
            if stopping.is_set():
                yield parts[ended], None
                return
            yield parts[ended], running.pop(0).result()
            ended += 1
    finally:
        # Parts that have not begun are cancelled. When the run is stopped, active ones are not waited for.
        pool.shutdown(wait=not stopping.is_set(), cancel_futures=True)


def _asked(tally: CheckTally, people: Sequence[Person], missing: Problems) -> tuple[Problems, int]:
    """The problems of a part of the people, and the number of those who were not asked about."""
    asked = [person for person in people if person.id not in tally.known] if tally.known else people
    return missing | (tally.verifier(asked) if asked else {}), len(people) - len(asked)
