"""Which tasks of the custodial engine count as lost: those that are nowhere while the engine is at work without a pause.

A worker that takes a task makes it invisible until it ends. So a task that is nowhere may be under way, also just after a
pause, when other workers of the engine answer already.
"""

import math
import threading
from collections.abc import Callable, Collection, Mapping

from cicscenario.backends.work.heartbeat import Heartbeat
from cicscenario.services.custodial.outcome import AccountOutcome, Lost, Transferred

_LOST_AFTER = 10.0  # seconds in which the engine answers others, until a task that is nowhere counts as lost
_LOST_SHARE = 0.5  # the same as a share of the patience, if that is shorter


class LostTasks:
    """``unwell`` is as in ``Heartbeat``, and ``patience`` the backend's, in seconds. Safe for use by many threads."""

    def __init__(self, unwell: Callable[[], str | None], clock: Callable[[], float], patience: float) -> None:
        self._clock = clock
        self._heartbeat = Heartbeat(unwell, clock)
        self._grace = min(_LOST_AFTER, _LOST_SHARE * patience)
        self._mutex = threading.Lock()
        self._seen: dict[str, float] = {}  # since when a task is nowhere

    def began_earlier(self, roots: Collection[str]) -> None:
        """These tasks were sent by an earlier run: if they are nowhere, they have been so for long enough."""
        with self._mutex:
            self._seen |= dict.fromkeys(roots, -math.inf)

    def among(self, ends: Mapping[str, AccountOutcome | Transferred]) -> set[str]:
        """Those of the root tasks, with their present outcomes, that count as lost. Asks the engine if any is nowhere."""
        now = self._clock()
        nowhere = {root for root, end in ends.items() if isinstance(end, Lost) and end.nowhere}
        with self._mutex:
            for root in ends.keys() - nowhere:
                self._seen.pop(root, None)
            seen = {root: self._seen.setdefault(root, now) for root in nowhere}
        if not nowhere or (since := self._heartbeat.since()) is None:
            return set()
        return {root for root, first in seen.items() if now - max(since, first) >= self._grace}

    def watch(self) -> None:
        """Asks the engine while any task is nowhere. Between two calls of ``among`` call it every few seconds."""
        with self._mutex:
            any_is_nowhere = bool(self._seen)
        if any_is_nowhere:
            self._heartbeat.since()

    @property
    def why(self) -> str:
        """Why tasks that are nowhere do not count as lost yet, in words."""
        return self._heartbeat.why or "a worker may be at its task"
