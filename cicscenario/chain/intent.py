"""A transaction that is to be sent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Intent:
    """A transaction to send for one person; ``value`` in wei."""

    person: int
    to: bytes
    data: bytes = b""
    value: int = 0
