"""Metadata entries: what the stack keeps about a person beside the chain, and where. Source: cic-types and cic-ussd."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cicscenario.chainspec import ChainSpec
from cicscenario.people import pointer
from cicscenario.people.person import identified


class Described(Protocol):
    """A person of whom there are entries."""

    @property
    def document(self) -> dict[str, Any]: ...
    @property
    def phone(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def tags(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Entry:
    """A JSON value and the 32-byte pointer that it is at."""

    pointer: bytes
    value: Any

    def holds(self, found: Any) -> bool:
        """Whether ``found`` is this value. Addresses are compared as the old tools write them: in any case, 0x or not."""
        if isinstance(self.value, str) and isinstance(found, str):
            return found.lower().removeprefix("0x") == self.value
        return bool(found == self.value)


def _person(who: Described, address: bytes, spec: ChainSpec) -> Entry:
    return Entry(pointer.person(address), identified(who.document, spec, address))


def _phone(who: Described, address: bytes, spec: ChainSpec) -> Entry:
    return Entry(pointer.phone(who.phone), address.hex())


def _preferences(who: Described, address: bytes, spec: ChainSpec) -> Entry:
    return Entry(pointer.preferences(address), {"preferred_language": who.language})


def _custom(who: Described, address: bytes, spec: ChainSpec) -> Entry:
    return Entry(pointer.custom(address), {"tags": list(who.tags)})


_KINDS: Mapping[str, Callable[[Described, bytes, ChainSpec], Entry]] = {
    "person": _person,
    "phone": _phone,
    "preferences": _preferences,
    "custom": _custom,
}


def entry(kind: str, who: Described, address: bytes, spec: ChainSpec) -> Entry:
    """The entry of a ``kind`` (person, phone, preferences, custom) for someone whose account is ``address``."""
    return _KINDS[kind](who, address, spec)
