"""The outcome of a request for an account."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Failed:
    """A task failed for good. ``meaning`` and ``hint`` are for people; the rest is as the engine put it."""

    task: str
    exception: str
    message: str
    meaning: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.meaning} ({self.task}: {self.exception}: {self.message})"


@dataclass(frozen=True)
class Created:
    """The engine holds the key of this 20-byte ``address``. That alone does not mean that it is registered.

    ``unregistered`` says why it never will be, if that is known.
    """

    address: bytes
    unregistered: Failed | None = None


class Trace(StrEnum):
    """What is known of a task that has no outcome."""

    QUEUED = "queued"  #: its message waits on the broker, or with a worker that has not finished its first task
    RUNNING = "running"  #: its first task is done, and no more is known
    UNKNOWN = "unknown"  #: neither on the queue nor among the results: never sent, or taken by a worker just now


@dataclass(frozen=True)
class Lost:
    """No outcome yet, perhaps never. ``why`` is for people."""

    trace: Trace
    why: str

    def __str__(self) -> str:
        return self.why


AccountOutcome = Created | Failed | Lost
