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

_LAST = "phone pointer"  # written last: with it, the person counts as done
_TAGS = {"tags": ["ussd", "individual"]}

Entry = tuple[str, bytes, Any]  # name for messages, pointer, value


class LostEntries:
    """Finds and writes them. ``with_language`` says whether the tasker writes the preferred language."""

    def __init__(self, context: RunContext, *, with_language: bool) -> None:
        self._meta = context.services.meta
        self._with_language = with_language

    def missing(self, people: Sequence[tuple[Person, bytes]]) -> dict[int, list[Entry]]:
        """The entries that the metadata store does not have, by person id; ``people`` are (person, account)."""
        wanted = {person.id: self._entries(person, address) for person, address in people}
        pointers = [at for entries in wanted.values() for _, at, _ in entries]
        there = dict(zip(pointers, self._meta.get_many(pointers), strict=True))
        return {person: [entry for entry in entries if there[entry[1]] is None] for person, entries in wanted.items()}

    def write(self, missing: dict[int, list[Entry]]) -> dict[int, CicScenarioError]:
        """Writes entries. Returns the first error of each person for whom that failed."""
        failed: dict[int, CicScenarioError] = {}
        for is_last in (False, True):
            entries = [
                (person, at, value)
                for person, mine in missing.items()
                for name, at, value in mine
                if (name == _LAST) is is_last and person not in failed
            ]
            ends = self._meta.ensure_many([(at, value) for _, at, value in entries])
            for (person, _, _), end in zip(entries, ends, strict=True):
                if isinstance(end, CicScenarioError):
                    failed.setdefault(person, end)
        return failed

    def _entries(self, person: Person, address: bytes) -> list[Entry]:
        language = ("preferred language", pointer.preferences(address), {"preferred_language": person.language})
        return [
            *([language] if self._with_language else []),
            ("tags", pointer.custom(address), _TAGS),
            (_LAST, pointer.phone(person.phone), address.hex()),
        ]


def named(entries: Sequence[Entry]) -> str:
    """The names of entries, in words."""
    return ", ".join(name for name, _, _ in reversed(entries))
