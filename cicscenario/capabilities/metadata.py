"""A metadata kind: one kind of entry about a person in the metadata store. Source: cic-types, cic-ussd."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from cicscenario.chainspec import ChainSpec
from cicscenario.language import Scenario
from cicscenario.people.person import Person


@dataclass(frozen=True)
class MetadataEntry:
    """A JSON value and its 32-byte pointer."""

    pointer: bytes
    value: Any

    def holds(self, found: Any) -> bool:
        """Whether ``found`` equals this value. Strings are compared without case and 0x, as addresses vary in both."""
        if isinstance(self.value, str) and isinstance(found, str):
            return found.lower().removeprefix("0x") == self.value
        return bool(found == self.value)


class Writer(Enum):
    """Which program writes the entries of a kind."""

    RUN = auto()
    INTERFACE_FIRST = auto()  #: the phone interface first, then the run: the interface would overwrite the run's entry
    INTERFACE = auto()  #: the phone interface only: the run waits for the entry and never writes it


@dataclass(frozen=True)
class MetadataKind:
    """The declaration of a metadata kind.

    ``label`` is the name of its step and of its check; ``writes`` is the summary of the step, ``proves`` that of the check.
    ``entry`` makes the entry of a person with the given account address on the given chain.
    """

    name: str
    label: str
    writes: str
    proves: str
    entry: Callable[[Person, bytes, ChainSpec], MetadataEntry]
    writer: Callable[[Scenario], Writer] = lambda scenario: Writer.RUN

    def of(self, person: Person, spec: ChainSpec) -> MetadataEntry:
        """The entry of a person who has an account."""
        return self.entry(person, person.account, spec)
