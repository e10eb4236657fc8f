"""A semaphore for a number of accounts, with a wait that can be stopped."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """``number`` slots, shared by threads."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, number: int, stopping: threading.Event) -> Iterator[bool]:
        """Takes ``number`` slots, and releases them at the end. Yields False if ``stopping`` was set before."""
        with self._changed:
            while self._free < number and not stopping.is_set():
                self._changed.wait(0.5)
            granted = self._free >= number
            self._free -= number if granted else 0
        try:
            yield granted
        finally:
            with self._changed:
                self._free += number if granted else 0
                self._changed.notify_all()
