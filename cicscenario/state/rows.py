"""Rows of the state's tables."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The result of a step for one person. ``read_back`` is not saved: the service was asked afterwards, and has the result.

    ``at`` is when it was written, in Unix seconds; the state sets it. 0: not known, in a state of an earlier version.
    """

    person: int
    ok: bool
    detail: str | None = None
    read_back: bool = False
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LedgerRow:
    """One transaction. ``gas`` is its gas limit.

    ``status`` is signed, broadcast, mined, failed (it can do nothing any more) or replaced (another one has its nonce).
    """

    purpose: str
    person: int
    signer: bytes
    nonce: int
    hash: bytes
    raw: bytes
    gas: int
    status: str
    block: int | None = None
    detail: str | None = None

    @property
    def place(self) -> tuple[bytes, int]:
        """The signer and the nonce: of all transactions with the same, only one can be mined."""
        return self.signer, self.nonce


@dataclass(frozen=True)
class KnownNonces:
    """What the ledger has of one signer: the highest nonce, and how many different ones.

    ``ended`` is the highest nonce of a transaction that has ended.
    """

    signer: bytes
    person: int
    highest: int
    number: int
    ended: int | None


@dataclass(frozen=True)
class RequestRow:
    """A request for an account: ``id`` is the service's, ``channel`` is where it publishes the answer, or empty.

    A request that has failed, and may have made an account nevertheless, stays ``asked``; ``detail`` says how it failed.
    ``sequence`` counts the requests in the order in which they were written; the state sets it.
    """

    id: str
    person: int
    channel: str
    status: str = "asked"  #: asked (the result is unknown), created or failed
    address: bytes | None = None
    detail: str | None = None
    sequence: int = field(default=0, compare=False)


@dataclass(frozen=True)
class PaymentRow:
    """A request for a payment, to a service that holds the keys: ``id`` is the service's, ``person`` pays.

    ``hash`` is that of its transaction, once it is known. ``sequence`` is as in ``RequestRow``.
    """

    id: str
    number: int  #: of the payment
    person: int
    status: str = "asked"  #: asked (what came of it is unknown), paid, refused (as it should be) or failed
    hash: bytes | None = None
    detail: str | None = None
    sequence: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Orphans:
    """Accounts that belong to no person: those that exist (``certain``), and requests that may have made one (``possible``)."""

    certain: int
    possible: int

    @property
    def most(self) -> int:
        """The number of accounts if every possible one exists."""
        return self.certain + self.possible

    def __str__(self) -> str:
        return f"up to {self.most:,}" if self.possible else f"{self.certain:,}"


@dataclass(frozen=True)
class CheckRow:
    """The result of one check over the whole population.

    ``read_back`` people were not asked about: the run had read their result back after writing it. ``unasked`` of the errors
    are people about whom the service could not be asked, which ``why`` explains for the first; these two are not saved.
    ``at`` is as in ``Outcome``.
    """

    name: str
    errors: int
    total: int
    allowed: str | None
    failing: list[dict[str, Any]]
    read_back: int = 0
    unasked: int = 0
    why: str = ""
    at: int = field(default=0, compare=False)


class Made(StrEnum):
    """Whether a check was made for a person who does not pass it."""

    YES = "made"
    NOT_ASKED = "not asked"  #: the service could not be asked about this person: nothing is known
    NOT_MADE = "not made"  #: the person has no account, so there was nothing to ask


@dataclass(frozen=True)
class Failure:
    """A step that failed for a person, or a check that the person does not pass. ``what`` is ``step`` or ``check``."""

    person: int
    what: str
    name: str
    reason: str
    made: Made = Made.YES
    at: int = field(default=0, compare=False)  #: as in ``Outcome``
