"""The metadata entries that cic-ussd's tasker writes for each new account, for people for whom it has lost them.

The tasker writes the phone pointer, the tags and, since 2022, the preferred language, each by a task of its own. A tasker that
is killed loses the task that runs, and nobody notices. Source: cic-ussd 0.3.1a7, ``account_creation_callback``.
"""

from collections.abc import Sequence
from typing import Any

from cicscenario.capabilities.context import RunContext
from cicscenario.errors import CicScenarioError
from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.services.meta import Wanted

_TAGS = {"tags": ["ussd", "individual"]}

Entry = tuple[str, bytes, Any]  # name for messages, pointer, value


class LostEntries:
    """Finds and writes them. ``with_language`` says whether the tasker writes the preferred language."""

    def __init__(self, context: RunContext, *, with_language: bool) -> None:
        self._meta = context.services.meta
        self._with_language = with_language

    def missing(self, person: Person, address: bytes) -> list[Entry]:
        """The entries of a person with this account that the metadata store does not have.

        Raises CicScenarioError when that cannot be read.
        """
        entries = self._entries(person, address)
        found = self._meta.get_many([at for _, at, _ in entries])
        for value in found:
            if isinstance(value, CicScenarioError):
                raise value
        return [entry for entry, value in zip(entries, found, strict=True) if value is None]

    def write(self, entries: Sequence[Entry]) -> None:
        """Writes entries that are missing, one after the other, the phone pointer last. Raises CicScenarioError."""
        for _, at, value in entries:
            for _, end in self._meta.ensure_many([Wanted(at, value)]):
                if isinstance(end, CicScenarioError):
                    raise end

    def _entries(self, person: Person, address: bytes) -> list[Entry]:
        # The phone pointer comes last: with it, the person counts as done.
        language = ("preferred language", pointer.preferences(address), {"preferred_language": person.language})
        return [
            *([language] if self._with_language else []),
            ("tags", pointer.custom(address), _TAGS),
            ("phone pointer", pointer.phone(person.phone), address.hex()),
        ]


def named(entries: Sequence[Entry]) -> str:
    """The names of entries, in words."""
    return ", ".join(name for name, _, _ in reversed(entries))
