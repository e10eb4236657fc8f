"""The simulated world: its time, its boundaries and what strikes at them. The services' models hang on it."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import TypeVar

from tests.soak.faults import ENDING, Fault, Kind, Pending
from tests.soak.scheduler import Killed, Scheduler

_T = TypeVar("_T")
_OF_FILES = ("file.", "folder.")
_WRITES = 0.3  # of the writes from a fault's boundary on get it, until one has
_FILES = "file.replace"  # the product's name of this boundary


class NoConnectionError(Exception):
    """The request did not arrive."""


class ConnectionLostError(Exception):
    """The request may have been carried out, and no answer comes."""


class AnswerTimeoutError(Exception):
    """No answer came within the client's time-out."""


class World:
    """One world. ``struck`` are the faults that have happened; ``history`` is what happened, and when."""

    def __init__(self, seed: int, faults: tuple[Fault, ...]) -> None:
        self.scheduler = Scheduler(Random(f"{seed} schedule"))
        self.pending = Pending(faults)
        self.struck: list[Fault] = []
        self.boundaries = 0
        self.history: list[tuple[float, str]] = []
        self.on: dict[Kind, Callable[[int], None]] = {}  #: what faults at any boundary do
        self.on_end: Callable[[Kind], None] = lambda kind: None  #: what a kill and a power cut do
        self._random = Random(f"{seed} world")
        self._down_until = 0.0
        self._full_for = 0  # writes
        self._last = ""

    @property
    def now(self) -> float:
        return self.scheduler.now

    def tell(self, what: str) -> None:
        """Adds to the history."""
        self.history.append((self.scheduler.now, what))

    def boundary(self, name: str) -> None:
        """Something durable or outside begins or has just ended; a kill, or a fault of the world, may strike here."""
        current = self.scheduler.current
        assert current is not None
        if current.process.dead:
            raise Killed
        self.boundaries += 1
        self._last = name
        self.tell(f"{self.boundaries} {name}")
        while fault := self.pending.take(self.boundaries):
            self._strike(fault)
            if fault.kind in ENDING:
                self.on_end(fault.kind)
                current.process.dead = True
                raise Killed
            if fault.kind is Kind.DOWN:
                self._down_until = max(self._down_until, self.now + fault.amount)
            if happen := self.on.get(fault.kind):
                happen(fault.amount)

    def named_boundary(self, name: str, side: str) -> None:
        """A boundary that the product names. Of many files that are written in a row only the first counts: they are all
        alike, and would take most of the faults.
        """
        if name != _FILES or self._last != _FILES:
            self.boundary(f"{side} {name}")
        self._last = name
        if side == "before" and name.startswith(_OF_FILES) and (number := self.write_error()):
            raise OSError(number, os.strerror(number))

    def write_error(self) -> int:
        """The number of the error that the write gets which is about to be made; 0 for none. Not always the first write from
        a fault's boundary on is struck, so that each kind of write is.
        """
        if self.pending.at_writes(self.boundaries) and self._random.random() < _WRITES:
            fault = self.pending.take(self.boundaries, write=True)
            assert fault
            self._strike(fault)
            if fault.kind is Kind.BROKEN:
                return errno.EIO
            self._full_for = fault.amount
        if self._full_for:
            self._full_for -= 1
            return errno.ENOSPC
        return 0

    def exchange(self, what: str, carry_out: Callable[[], _T], timeout: float, *, once: bool = False) -> _T:
        """One request of the product and its answer. Raises one of the errors above when there is none.

        ``once``: the protocol never delivers a request twice.
        """
        self.boundary(f"request {what}")
        fault = self.pending.take(self.boundaries, request=True)
        kind = fault.kind if fault else None
        if fault:
            self._strike(fault)
        self._pass(0.001, 0.02)
        if kind is Kind.UNSENT or self.now < self._down_until:
            raise NoConnectionError("Connection refused")
        if kind is Kind.LATE:
            assert fault
            self.scheduler.at(self.now + fault.amount, lambda: self._late(what, carry_out))
            self.scheduler.block(timeout=timeout)
            raise AnswerTimeoutError("timed out")
        answer = carry_out()
        self.boundary(f"carried out {what}")
        if kind is Kind.DOUBLED and not once:
            answer = carry_out()
        if kind is Kind.LOST:
            if self._random.random() < 0.5:
                raise ConnectionLostError("Connection reset by peer")
            self.scheduler.block(timeout=timeout)
            raise AnswerTimeoutError("timed out")
        if kind is Kind.SLOW:
            assert fault
            self.scheduler.block(timeout=min(fault.amount, timeout))
            if fault.amount > timeout:
                raise AnswerTimeoutError("timed out")
        self._pass(0.001, 0.02)
        return answer

    def _late(self, what: str, carry_out: Callable[[], object]) -> None:
        self.tell(f"late {what}")
        with suppress(ConnectionLostError):
            carry_out()

    def _pass(self, least: float, most: float) -> None:
        self.scheduler.block(timeout=self._random.uniform(least, most))

    def _strike(self, fault: Fault) -> None:
        self.struck.append(fault)
        self.tell(f"fault {fault!r}")
