"""What tests ask of a metadata client in one call."""

from collections.abc import Iterable
from typing import Any

from cicscenario.services.meta import MetaClient, Wanted


def have(client: MetaClient, pointer: bytes, value: Any) -> Any:
    """Has an entry in the store, and returns the outcome."""
    return client.ensure(Wanted(pointer, value))


def have_all(client: MetaClient, entries: Iterable[tuple[bytes, Any]], *, threads: int = 4) -> list[Any]:
    """Has entries in the store, and returns their outcomes and errors, in their order."""
    ends = dict(client.ensure_many((Wanted(pointer, value) for pointer, value in entries), threads=threads))
    return [ends[index] for index in range(len(ends))]
