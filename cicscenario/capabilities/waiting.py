"""An executor that polls until a service has done something by itself, such as the engine's registration of accounts.

The time limit is a stall timer: the wait ends when no person has progressed, and no service has moved, for the backend's
patience (in seconds), so it scales with the size of the work. People who are known to have failed are not waited for. At
half of the patience the service is asked once more to do it, for one person after the other; in a repair it is asked at once.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Result, Wait
from cicscenario.capabilities.stall import Movement, StallTimer
from cicscenario.chain.abi import to_hex
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between look-ups (back-off)
_SLOW_LOOK = 2.0  # seconds; a longer look-up was repeated by a client whose service did not answer
_ASK_AFTER = 3.0  # seconds without progress before failures are looked up
_REPEAT_AFTER = 0.5  # share of the patience without progress before the request is repeated
_NEXT_AFTER = 1.0  # seconds without progress before it is repeated for somebody else, after it has helped somebody


def _no_failures(people: Sequence[Person]) -> dict[int, str]:
    return {}


def _not_repeatable(people: Sequence[Person]) -> bool:
    return False


def _nothing_known() -> str:
    return ""


@dataclass(frozen=True)
class Awaited:
    """The result that a WaitExecutor waits for.

    ``look`` returns for each person, in order, whether the result is there. ``missing`` completes a message about an
    account ("is not in the accounts index"); ``advice`` tells the user what to look at after a stall. ``failed`` returns
    the people who will never get the result, with the reason. ``repeat`` asks the service once more and returns whether it
    sent any request. ``standstill`` completes the message with what the services show after a stall. ``movements`` are what
    can be seen of the services' work.
    """

    look: Callable[[Sequence[Person]], Sequence[bool]]
    missing: str
    advice: str
    failed: Callable[[Sequence[Person]], dict[int, str]] = _no_failures
    repeat: Callable[[Sequence[Person]], bool] = _not_repeatable
    standstill: Callable[[], str] = _nothing_known
    movements: Sequence[Movement] = ()
    what: str = "a service"  #: that is waited for, in words


class WaitExecutor:
    """Waits for a batch. Batches that wait at the same time share one stall timer."""

    def __init__(self, context: RunContext, awaited: Awaited) -> None:
        self._stopping = context.stopping
        self._patience: float = context.scenario.backend.option("patience")
        self._awaited = awaited
        self._clock = context.clock
        self._timer = StallTimer(context.clock, awaited.movements)
        self._mutex = threading.Lock()
        self._waiting = 0
        self._at_once = bool(context.redo)  # the service has done it before, so it does nothing by itself
        self._repeating = False  # whether a repeated request has helped, so that the next one need not wait
        self._repeated = 0  # requests that were repeated, and have not helped yet

    def __call__(self, batch: Batch) -> Result:
        for ends in self.rounds(batch.people, batch.result):
            batch.result.add(ends)
        return batch.result

    def rounds(self, people: Sequence[Person], result: Result) -> Iterator[list[Outcome]]:
        """Waits for these people. Gives the outcomes of each look-up that has any; ends when the run is stopped.

        Meanwhile ``result`` says what is waited for.
        """
        with self._mutex:
            if not self._waiting:
                self._timer.progress()  # no batch was waiting, so the time until now was no stall
            self._waiting += 1
        try:
            yield from self._wait({person.id: person for person in people}, result)
        finally:
            result.wait = None
            with self._mutex:
                self._waiting -= 1

    def _wait(self, waiting: dict[int, Person], result: Result) -> Iterator[list[Outcome]]:
        pause = _FIRST_PAUSE
        while waiting:
            ends = self._ends(list(waiting.values()))
            for end in ends:
                del waiting[end.person]
            if ends:
                yield ends
            seen = f"account {to_hex(one.account)} {self._awaited.missing}" if (one := _first(waiting)) else ""
            result.wait = Wait(self._awaited.what, self._timer.since_progress(), self._patience, seen)
            if not waiting or self._stopping.wait(pause):
                break
            pause = _FIRST_PAUSE if ends else min(2 * pause, _LONGEST_PAUSE)

    def _ends(self, people: Sequence[Person]) -> list[Outcome]:
        began = self._clock()
        seen = self._awaited.look(people)
        if (took := self._clock() - began) > _SLOW_LOOK:
            self._timer.excuse(took)
        ends = [Outcome(person.id, ok=True) for person, there in zip(people, seen, strict=True) if there]
        if ends:
            self._progress(len(ends))
            return ends
        waited = self._timer.since_progress()
        if waited < (_NEXT_AFTER if self._repeating else _ASK_AFTER) and not self._at_once:
            return []
        ends = [Outcome(who, ok=False, detail=why) for who, why in self._awaited.failed(people).items()]
        if ends:
            return ends
        stalled = self._timer.seconds()
        due = self._repeating or self._at_once or stalled > _REPEAT_AFTER * self._patience
        if due and self._awaited.repeat(people):
            with self._mutex:
                self._repeating = True
                self._repeated += 1
            return []
        if stalled <= self._patience:
            return []
        shown = self._awaited.standstill()
        return [
            Outcome(person.id, ok=False, detail=self._given_up(person, waited, stalled) + shown) for person in people
        ]

    def _progress(self, people: int) -> None:
        """Restarts the timer. When more have progressed than were asked for again, the service works by itself."""
        self._timer.progress()
        with self._mutex:
            self._repeated -= people
            if self._repeated < 0:
                self._repeating, self._repeated = False, 0

    def _given_up(self, person: Person, waited: float, stalled: float) -> str:
        """``waited`` is the time without progress of a person, ``stalled`` that in which the services did nothing either."""
        moved = f"the services last moved {stalled:.0f} seconds ago, " if waited - stalled >= 1 else ""
        return (
            f"{to_hex(person.account)} {self._awaited.missing} yet, and no person has progressed for {waited:.0f} seconds"
            f" ({moved}patience {self._patience:g}); {self._awaited.advice}"
        )


def _first(waiting: dict[int, Person]) -> Person | None:
    return next(iter(waiting.values()), None)
