"""A circuit breaker: a service that fails for everybody is not asked for everybody."""

import threading

from cicscenario.errors import UnavailableError


class CircuitBreaker:
    """Opens after ``limit`` failures in a row. Threads share one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._mutex = threading.Lock()
        self._failures = 0
        self._last: UnavailableError | None = None

    def succeeded(self) -> None:
        """The service has answered somebody, perhaps with a refusal: it is closed again."""
        with self._mutex:
            self._failures = 0

    def failed(self, error: UnavailableError) -> None:
        """The service has not answered somebody."""
        with self._mutex:
            self._failures += 1
            self._last = error

    @property
    def open(self) -> UnavailableError | None:
        """The last failure when the service is to be asked no more; None while it is to be asked."""
        with self._mutex:
            return self._last if self._failures >= self._limit else None
