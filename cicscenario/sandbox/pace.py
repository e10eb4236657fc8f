"""How fast the sandbox's twins are: as fast as they can, or as slow as the real services were measured to be.

``FIGURES`` is the only place that has these measurements. At the real pace a twin waits, without using the processor, until a
piece of work has taken the time of the real service, and does as many at once. What it answers is the same at both.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

FAST, REAL = "fast", "real"
PACES = (FAST, REAL)


class Work(StrEnum):
    """A kind of work that takes its time, named ``SERVICE.KIND``."""

    TASK = "custodial.task"
    TRANSACTION = "custodial.transaction"
    POST = "ussd.post"
    ENTRY = "ussd.entry"
    STEP = "meta.step"
    DOCUMENT = "meta.document"
    READ = "meta.read"
    MISSING = "meta.missing"
    START = "meta.start"


@dataclass(frozen=True)
class Figure:
    """What a piece of work takes in the real service, and how many of them that does at once."""

    seconds: float
    at_once: int
    work: str
    source: str


#: All were measured with unmodified services on two cores. Work that is not here was not measured, and does not wait.
FIGURES: Mapping[Work, Figure] = {
    Work.TASK: Figure(
        0.0575, 2, "a task of the engine, but for those of transactions",
        "cic-eth 0.12.10, 30 creations at once: 8.7 callbacks a second. The last comes after four tasks a creation",
    ),
    Work.TRANSACTION: Figure(
        0.2, 2, "a task of the engine that makes, checks, stores or releases a transaction",
        "the same 30: all registered and with gas and faucet after 44.1 s (0.68 people a second). 13 such tasks a person,"
        " and 6 of the others",
    ),
    Work.POST: Figure(
        0.125, 1, "a request of a phone",
        "cic-ussd of 2022, 30 accounts: 0.25 s for the two requests of each; it answers one at a time",
    ),
    Work.ENTRY: Figure(
        0.73, 1, "an entry that the phone interface writes to the metadata store, signed with gpg",
        "the same 30: 66 s for their 90 entries (1.3-1.7 s each, two at once). With a key without passphrase and a whole"
        " stack, 0.79 people a second joined: 0.42 s",
    ),
    Work.STEP: Figure(
        0.00975, 1, "each of the two steps of a two-step write", "cic-meta: 16-23 ms of its one thread for both"
    ),
    Work.DOCUMENT: Figure(0.011, 1, "a one-step write", "cic-meta: 10-12 ms of its one thread"),
    Work.READ: Figure(0.009, 1, "reading an entry", "cic-meta: 7-11 ms of its one thread"),
    Work.MISSING: Figure(0.00035, 1, "reading an entry that is not there", "cic-meta: 0.35 ms of its one thread"),
    Work.START: Figure(3.3, 1, "the start of the metadata store", "cic-meta: 3.3 s until it answers"),
}  # fmt: skip


class WorkPace:
    """Makes work take its time. ``clock`` gives seconds, and ``sleep`` waits so many of them."""

    def __init__(
        self,
        name: str = FAST,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.is_real = name == REAL
        self.now = clock
        self._sleep = sleep

    def left(self, work: Work | None, began: float) -> float:
        """The seconds that work which began at ``began`` has yet to take: 0 at the fast pace, and for work that has no figure."""
        if not self.is_real or work is None:
            return 0.0
        return max(0.0, began + FIGURES[work].seconds - self.now())

    @contextmanager
    def taking(self, work: Work) -> Iterator[None]:
        """The block takes no less time than this work, also when it raises."""
        began = self.now()
        try:
            yield
        finally:
            self.wait(work, began)

    def wait(self, work: Work, began: float | None = None) -> None:
        """Waits for what is left of work; for all of it when it begins now."""
        left = self.left(work, self.now() if began is None else began)
        if left:
            self._sleep(left)


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds --pace to the options of a twin."""
    parser.add_argument("--pace", choices=PACES, default=FAST, help="real: as slow as the real service")
