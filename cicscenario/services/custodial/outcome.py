"""The outcome of a request for an account."""

from dataclasses import dataclass
from enum import StrEnum

from cicscenario.services.custodial import tasks


@dataclass(frozen=True)
class Failed:
    """A task failed for good. ``meaning`` and ``hint`` are for people; the rest is as the engine put it.

    ``unsigned``: the engine could not reach its signer, or perhaps its chain node, so it has signed nothing.
    """

    task: str
    exception: str
    message: str
    meaning: str
    hint: str | None = None
    unsigned: bool = False

    def __str__(self) -> str:
        return f"{self.meaning} ({self.task}: {self.exception}: {self.message})"

    @property
    def keyless(self) -> bool:
        """Whether it is certain that no key was made: it failed before the signer was asked for one."""
        early = self.exception in ("NotRegistered", "KeyError") or "refused" in self.message
        return self.task == tasks.CHECK_LOCK or (self.task == tasks.CREATE and early)

    @property
    def is_locked(self) -> bool:
        """Whether a lock of the engine forbids it, which may be one of all accounts or of this one."""
        return self.task == tasks.CHECK_LOCK and self.exception == tasks.LOCKED

    @property
    def advised(self) -> str:
        """The failure and what to do about it, for a message that has no place for a hint of its own."""
        return f"{self}; {self.hint}" if self.hint else str(self)


@dataclass(frozen=True)
class Created:
    """The engine holds the key of this 20-byte ``address``. That alone does not mean that it is registered.

    ``unregistered`` says why it never will be, if that is known.
    """

    address: bytes
    unregistered: Failed | None = None


@dataclass(frozen=True)
class Transferred:
    """The engine has a transaction for a transfer, with this 32-byte ``hash``. That alone does not mean that it was sent."""

    hash: bytes


@dataclass(frozen=True)
class Signing:
    """How far the engine has come with one transaction: a task reserves its nonce, and the next one signs it.

    ``signed``: it has signed it, which does not mean that it was sent. ``failed``: a task has failed. ``alive``: the next task
    waits on the queue, or with a worker that has not begun it. If none of these holds, a worker is at it just now, or lost
    it when it was killed. ``task`` is the id of the next task, as far as it is known.
    """

    task: str | None = None
    signed: bool = False
    failed: Failed | None = None
    alive: bool = False


class Trace(StrEnum):
    """What is known of a creation that has no outcome: where its next task is."""

    QUEUED = "queued"  #: it waits on the queue
    FETCHED = "fetched"  #: a worker has fetched it, and has not begun it
    RUNNING = "running"  #: nowhere, but the task before it is done: a worker is at it, or lost it when it was killed
    UNKNOWN = "unknown"  #: nowhere, and no task of the creation has a result: never sent, or as in RUNNING


@dataclass(frozen=True)
class Lost:
    """No outcome yet, perhaps never. ``why`` is for people; ``task`` is the id of the next task, as far as it is known.

    ``until`` is the Unix time in seconds at which a FETCHED task goes back on the queue, should its worker be dead.
    """

    trace: Trace
    why: str
    task: str | None = None
    until: float | None = None

    def __str__(self) -> str:
        return self.why

    @property
    def nowhere(self) -> bool:
        """Whether its next task is neither on the queue nor with a worker that has yet to begin it."""
        return self.trace in (Trace.RUNNING, Trace.UNKNOWN)


AccountOutcome = Created | Failed | Lost
