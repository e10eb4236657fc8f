"""What the steps of a run wait for, told while nothing else is told of them."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cicscenario.capabilities.executor import Wait
from cicscenario.capabilities.step import PlannedStep
from cicscenario.engine.events import Waiting
from cicscenario.transport.traffic import Traffic

SILENCE = 1.0  #: seconds without news of a step after which it is said to wait
_EVERY = 1.5  # seconds between two events of one step


@dataclass
class _Told:
    """When there was news of a step, and when it was said to wait."""

    news: float
    told: float


class Waits:
    """The waits of all steps, in the order of the plan. Thread-safe. ``clock`` gives seconds."""

    def __init__(self, steps: Sequence[PlannedStep], traffic: Traffic, clock: Callable[[], float]) -> None:
        self._steps = {step.name: step for step in steps}
        self._traffic = traffic
        self._clock = clock
        self._mutex = threading.Lock()
        self._told: dict[str, _Told] = {}

    def news(self, step: str) -> None:
        """A step has begun a batch while it had none, or has saved something."""
        now = self._clock()
        with self._mutex:
            self._told[step] = _Told(now, now)

    def begun(self, step: str) -> None:
        """A step begins a batch; ``idle`` says when it has no more."""
        with self._mutex:
            known = step in self._told
        if not known:
            self.news(step)

    def idle(self, step: str) -> None:
        """No batch of a step is under way."""
        with self._mutex:
            self._told.pop(step, None)

    def all(self, active: Iterable[tuple[str, int, Wait | None]]) -> list[Waiting]:
        """What each step that is at work waits for now; ``active`` as in ``events``."""
        now, batches = self._clock(), _by_step(active)
        with self._mutex:
            news = {step: self._told[step].news if step in self._told else now for step in batches}
        return [self._event(step, batches[step], news[step], now) for step in self._steps if step in batches]

    def events(self, active: Iterable[tuple[str, int, Wait | None]]) -> list[Waiting]:
        """The events that are due. ``active`` are the batches under way: their step, the people left, and their waits."""
        now, found = self._clock(), []
        batches = _by_step(active)
        for step in self._steps:
            if step not in batches:
                continue
            with self._mutex:
                told = self._told.setdefault(step, _Told(now, now))
                if now - told.news < SILENCE or now - told.told < _EVERY:
                    continue
                told.told = now
            found.append(self._event(step, batches[step], told.news, now))
        return found

    def _event(self, step: str, batches: Sequence[tuple[int, Wait | None]], since: float, now: float) -> Waiting:
        people = sum(left for left, _ in batches)
        waits = [wait for _, wait in batches if wait]
        if not waits:
            return Waiting(step, self._work_of(step), people, round(now - since, 1), seen=self._seen(step, since))
        longest = max(waits, key=lambda wait: wait.seconds)
        seen = next((wait.seen for wait in reversed(waits) if wait.seen), "") or self._seen(step, since)
        return Waiting(step, longest.what, people, round(longest.seconds, 1), longest.patience, seen)

    def _work_of(self, step: str) -> str:
        services = self._steps[step].services
        return f"answers of {' and '.join(services)}" if services else "this machine's own work"

    def _seen(self, step: str, since: float) -> str:
        """Why a request to the step's services was repeated last, if that was since then."""
        meters = [self._traffic.of(service) for service in self._steps[step].services]
        found = [meter.last for meter in meters if meter.last and meter.last_at >= since]
        return found[-1] if found else ""


def _by_step(active: Iterable[tuple[str, int, Wait | None]]) -> dict[str, list[tuple[int, Wait | None]]]:
    batches: dict[str, list[tuple[int, Wait | None]]] = {}
    for step, people, wait in active:
        batches.setdefault(step, []).append((people, wait))
    return batches
