"""A metadata kind: one kind of entry about a person in the metadata store. Source: cic-types, cic-ussd."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import CicScenarioError
from cicscenario.language import Scenario
from cicscenario.services.jsonvalues import equal_entry, same
from cicscenario.services.metaerrors import more_keys

if TYPE_CHECKING:
    from cicscenario.people.person import Person

_SHOWN = 120  # characters of a value in a problem


@dataclass(frozen=True)
class MetadataEntry:
    """A JSON value and its 32-byte pointer."""

    pointer: bytes
    value: Any

    def problem(self, found: Any | CicScenarioError | None, *, merges: bool = False) -> str | None:
        """What is wrong with what was found at the pointer: a value, None for nothing, or the error of the look-up.

        None when it is this value. ``merges``: entries are written in two steps, which keeps keys that this value does not have.
        """
        at = f"the entry at {self.pointer.hex()}"
        if isinstance(found, CicScenarioError):
            return found.message
        if found is None:
            return f"no entry at {self.pointer.hex()}"
        if equal_entry(found, self.value):
            return None
        if not (isinstance(found, dict) and isinstance(self.value, dict)):
            return f"{at} is {json.dumps(found):.{_SHOWN}}, expected {json.dumps(self.value):.{_SHOWN}}"
        more = sorted(found.keys() - self.value.keys())
        differ = [key for key, value in sorted(self.value.items()) if key not in found or not same(found[key], value)]
        if differ:
            return f"{at} differs in {', '.join(sorted(differ + more))}"
        return (
            more_keys(self.pointer, more).message if merges else f"{at} has more keys than expected: {', '.join(more)}"
        )


class Writer(Enum):
    """Which program writes the entries of a kind."""

    RUN = auto()
    INTERFACE_FIRST = auto()  #: the phone interface first, then the run: the interface would overwrite the run's entry
    INTERFACE = auto()  #: the phone interface only: the run waits for the entry and never writes it


@dataclass(frozen=True)
class MetadataKind:
    """The declaration of a metadata kind.

    ``label`` is the name of its step and of its check; ``writes`` is the summary of the step, ``proves`` that of the check.
    ``entry`` makes the entry of a person with the given account address on the given chain. ``by_account``: its pointer
    follows from the account, so that nobody can have written the entry of an account that was just made. ``replaces`` says
    what the user is told before another value is replaced; it gets the person and that value. ``needs_phone_account``: no
    entry is written for a phone number that the phone interface's account table, where it can be asked, does not have.
    """

    name: str
    label: str
    writes: str
    proves: str
    entry: Callable[["Person", bytes, ChainSpec], MetadataEntry]
    writer: Callable[[Scenario], Writer] = lambda scenario: Writer.RUN
    by_account: bool = False
    replaces: Callable[["Person", Any], str] | None = None
    needs_phone_account: Callable[[Scenario], bool] = lambda scenario: False

    def of(self, person: "Person", spec: ChainSpec) -> MetadataEntry:
        """The entry of a person who has an account."""
        return self.entry(person, person.account, spec)
