"""What those who have sent transactions wait for."""

import threading
from collections.abc import Iterable, Iterator

from cicscenario.errors import CicScenarioError, InterruptedRunError
from cicscenario.state.rows import Outcome

_STOP_POLL = 0.2  # seconds between checks of ``stopping``


class Ticket:
    """Waits for the ends of some transactions. ``ended`` are the outcomes that are known already."""

    def __init__(
        self, hashes: Iterable[bytes], ended: Iterable[Outcome] = (), stopping: threading.Event | None = None
    ) -> None:
        self._open = set(hashes)
        self._stopping = stopping
        self._outcomes = list(ended)
        self._error: CicScenarioError | None = None
        self._done = threading.Event()
        if not self._open:
            self._done.set()

    @property
    def done(self) -> bool:
        """Whether ``wait`` returns, or raises, at once."""
        return self._done.is_set()

    def end(self, row_hash: bytes, outcome: Outcome) -> None:
        self._open.discard(row_hash)
        self._outcomes.append(outcome)
        if not self._open:
            self._done.set()

    def swap(self, old: bytes, new: bytes) -> None:
        """Another transaction is waited for instead of one that it replaces."""
        self._open.discard(old)
        self._open.add(new)

    def fail(self, error: CicScenarioError) -> None:
        self._error = error
        self._done.set()

    def each(self) -> Iterator[Outcome]:
        """One outcome for each person, as they become known. Raises the error that ended the broadcaster, if there was one,
        and InterruptedRunError soon after ``stopping`` is set.
        """
        given = 0
        ended = False
        while not ended:
            ended = self._done.wait(_STOP_POLL)
            known = self._outcomes[given:]
            given += len(known)
            yield from known
            if not ended and self._stopping is not None and self._stopping.is_set():
                raise InterruptedRunError(
                    "stopped while transactions are in flight; they are in the ledger, and the next run looks them up"
                )
        if self._error:
            raise self._error

    def wait(self) -> list[Outcome]:
        """The outcomes of ``each``, when all are known."""
        return list(self.each())
