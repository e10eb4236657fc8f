"""The rows of a state, as the rest of the program sees them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a step came to for one person."""

    person: int
    ok: bool
    detail: str | None = None


@dataclass(frozen=True)
class LedgerRow:
    """One transaction; see ``chain.ledger`` for what each status means."""

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


@dataclass(frozen=True)
class RequestRow:
    """An account asked for: ``id`` as the service knows it, ``channel`` where it answers, if anywhere."""

    id: str
    person: int
    channel: str
    status: str = "asked"  #: asked (its end is unknown), created or failed
    address: bytes | None = None
    detail: str | None = None


@dataclass(frozen=True)
class CheckRow:
    """The result of one check over the whole population."""

    name: str
    errors: int
    total: int
    allowed: str | None
    failing: list[dict[str, Any]]
