"""Work that is repeated beside a command, such as drawing a view."""

import threading
from collections.abc import Callable
from typing import Self


class Periodic:
    """Entered, it calls ``work`` every ``seconds`` in a thread of its own, and ends it when it is left."""

    def __init__(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        self._seconds = seconds
        self._work = work
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _repeat(self) -> None:
        while not self._ended.wait(self._seconds):
            self._work()
