"""Waits for what other processes do."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 180.0  # seconds; the machine may be busy

T = TypeVar("T")


def eventually(true: Callable[[], T | None], what: str = "waited for it to come true", patience: float = PATIENCE) -> T:
    """The first true answer; fails when none comes."""
    deadline = time.monotonic() + patience
    while not (answer := true()):
        assert time.monotonic() < deadline, f"{what} in vain"
        time.sleep(0.02)
    return answer


def soon(seconds: float = 20) -> float:
    """An instant of ``time.monotonic``."""
    return time.monotonic() + seconds
