"""Transactions that were sent and that the node has not accepted: it gave no answer, or refused them for the moment."""

import time
from collections.abc import Callable, Iterable
from itertools import islice

from cicscenario.retry import retry_after
from cicscenario.state.rows import LedgerRow

_FIRST_PAUSE = 0.2  # seconds before they are sent again; doubles each time up to
_LONGEST_PAUSE = 10.0


class Unaccepted:
    """Says which transactions to send again, and when. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: dict[bytes, LedgerRow] = {}
        self._since: dict[bytes, float] = {}
        self._pause = _FIRST_PAUSE
        self._next = 0.0

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, rows: Iterable[LedgerRow], header: str | None = None) -> None:
        """They were sent, and not accepted. ``header`` is the Retry-After of the answer."""
        now = self._clock()
        for row in rows:
            self._rows[row.hash] = row
            self._since.setdefault(row.hash, now)
        self._next = now + max(self._pause, retry_after(header))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def remove(self, hashes: Iterable[bytes]) -> None:
        """They were accepted, or have ended."""
        for found in hashes:
            self._since.pop(found, None)
            if self._rows.pop(found, None):
                self._pause = _FIRST_PAUSE

    @property
    def is_pausing(self) -> bool:
        """Whether the node was asked to accept them a short time ago, or wants to be left alone for a while."""
        return bool(self._rows) and self._clock() < self._next

    def due(self, most: int) -> list[LedgerRow]:
        """Those to send again now, in nonce order."""
        if self.is_pausing:
            return []
        return list(islice(sorted(self._rows.values(), key=lambda row: row.nonce), most))

    def has(self, row_hash: bytes, *, seconds: float) -> bool:
        """Whether this one has not been accepted for so long."""
        return row_hash in self._rows and self._clock() - self._since[row_hash] >= seconds
