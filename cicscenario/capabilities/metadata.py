"""What a kind of metadata is: an entry that the stack keeps about a person beside the chain. Source: cic-types, cic-ussd."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from cicscenario.chainspec import ChainSpec
from cicscenario.language import Scenario
from cicscenario.people.person import Person


@dataclass(frozen=True)
class MetadataEntry:
    """A JSON value and the 32-byte pointer that it is at."""

    pointer: bytes
    value: Any

    def holds(self, found: Any) -> bool:
        """Whether ``found`` is this value. Addresses are compared as the old tools write them: in any case, 0x or not."""
        if isinstance(self.value, str) and isinstance(found, str):
            return found.lower().removeprefix("0x") == self.value
        return bool(found == self.value)


class Writer(Enum):
    """Who writes the entries of a kind."""

    RUN = auto()
    INTERFACE_FIRST = auto()  #: the phone interface does, and would overwrite what was there: the run writes after it
    INTERFACE = auto()  #: the phone interface alone: the run looks at the entry and never writes it


@dataclass(frozen=True)
class MetadataKind:
    """One kind. ``label`` is the name of its step and of its check; ``writes`` and ``proves`` say what these two do.

    ``entry`` is the entry of a person who has the account, whose identity is of the chain.
    """

    name: str
    label: str
    writes: str
    proves: str
    entry: Callable[[Person, bytes, ChainSpec], MetadataEntry]
    writer: Callable[[Scenario], Writer] = lambda scenario: Writer.RUN

    def of(self, person: Person, spec: ChainSpec) -> MetadataEntry:
        """The entry of somebody who has an account."""
        return self.entry(person, person.account, spec)
