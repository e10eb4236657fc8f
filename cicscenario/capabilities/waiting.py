"""Waits for what a service does by itself: it is looked for until it is there.

Waiting is given up when nobody at all has progressed for the backend's patience, so that it scales with the work; somebody
of whom it is known that it failed is not waited for. Before people are given up, whoever can do it is asked once more.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.stall import StallTimer
from cicscenario.capabilities.step import Batch, Result
from cicscenario.chain.abi import to_hex
from cicscenario.people.person import Person
from cicscenario.state.rows import Outcome

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between looks
_ASK_AFTER = 3.0  # seconds without progress before it is asked what became of those who wait
_REPEAT_AFTER = 0.5  # share of the patience without progress before it is asked for once more


def _nothing_known(people: Sequence[Person]) -> dict[int, str]:
    return {}


def _nobody_to_ask(people: Sequence[Person]) -> bool:
    return False


@dataclass(frozen=True)
class Awaited:
    """What is waited for.

    ``look`` says for whom it is there, in the order of the people. ``missing`` says of an account that it is not there
    ("is not in the accounts index"), ``advice`` what to look at when nothing progresses. ``failed`` tells for whom it will
    never come, with the reason; ``repeat`` asks for it once more, and says whether there was anybody to ask it for.
    """

    look: Callable[[Sequence[Person]], Sequence[bool]]
    missing: str
    advice: str
    failed: Callable[[Sequence[Person]], dict[int, str]] = _nothing_known
    repeat: Callable[[Sequence[Person]], bool] = _nobody_to_ask


class WaitExecutor:
    """Waits for a batch; batches that wait side by side share one stall timer."""

    def __init__(self, context: RunContext, awaited: Awaited) -> None:
        self._stopping = context.stopping
        self._patience: float = context.scenario.backend.option("patience")
        self._awaited = awaited
        self._timer = StallTimer(context.clock)
        self._mutex = threading.Lock()
        self._waiting = 0

    def __call__(self, batch: Batch) -> Result:
        with self._mutex:
            if not self._waiting:
                self._timer.progress()  # nobody waited before, so nobody can have waited in vain
            self._waiting += 1
        try:
            return Result(self._wait({person.id: person for person in batch.people}))
        finally:
            with self._mutex:
                self._waiting -= 1

    def _wait(self, waiting: dict[int, Person]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        pause = _FIRST_PAUSE
        while waiting:
            ends = self._ends(list(waiting.values()))
            outcomes += ends
            for end in ends:
                del waiting[end.person]
            if not waiting or self._stopping.wait(pause):
                break
            pause = _FIRST_PAUSE if ends else min(2 * pause, _LONGEST_PAUSE)
        return outcomes

    def _ends(self, people: Sequence[Person]) -> list[Outcome]:
        seen = self._awaited.look(people)
        ends = [Outcome(person.id, ok=True) for person, there in zip(people, seen, strict=True) if there]
        if ends:
            self._timer.progress()
            return ends
        stalled = self._timer.seconds()
        if stalled < _ASK_AFTER:
            return []
        ends = [Outcome(who, ok=False, detail=why) for who, why in self._awaited.failed(people).items()]
        asked = not ends and stalled > _REPEAT_AFTER * self._patience and self._awaited.repeat(people)
        if ends or asked or stalled <= self._patience:
            return ends
        return [Outcome(person.id, ok=False, detail=self._given_up(person, stalled)) for person in people]

    def _given_up(self, person: Person, seconds: float) -> str:
        return (
            f"{to_hex(person.account)} {self._awaited.missing} yet, and for {seconds:.0f} seconds nobody has progressed;"
            f" {self._awaited.advice}"
        )
