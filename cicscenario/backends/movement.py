"""Whether anybody who waits for the same thing still moves: patience is for standing still, so it scales with the work."""

import threading
import time


class Movement:
    """When somebody last got what they wait for. Threads share one."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._last = time.monotonic()

    def happened(self) -> None:
        with self._mutex:
            self._last = time.monotonic()

    def still(self) -> float:
        """Seconds since then."""
        with self._mutex:
            return time.monotonic() - self._last
