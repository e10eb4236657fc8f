"""The metadata entries that cic-ussd's tasker writes for each new account, for people for whom it has lost them.

The tasker writes the phone pointer, the tags and, since 2022, the preferred language, each by a task of its own. A tasker that
is killed loses the task that runs, and nobody notices. Source: cic-ussd 0.3.1a7, ``account_creation_callback``.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Any

from cicscenario.backends.work.choices import Choices
from cicscenario.capabilities.context import RunContext
from cicscenario.errors import CicScenarioError, InterruptedRunError, StepFailedError, UnavailableError
from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.services.meta import Wanted
from cicscenario.services.ussd_tasks import FETCHED_FOR

_TAGS = {"tags": ["ussd", "individual"]}

_Entry = tuple[str, bytes, Any]  # name for messages, pointer, value


class LostEntries:
    """Finds out whether entries are lost, and writes them. ``dialling`` is held while somebody dials.

    ``with_language`` says whether the tasker writes the preferred language.
    """

    def __init__(self, context: RunContext, choices: Choices, dialling: Lock, *, with_language: bool) -> None:
        self._services = context.services
        self._choices = choices
        self._dialling = dialling
        self._with_language = with_language

    def may_come(self, address: bytes, age: float | None) -> str | None:
        """Why the tasker may still write the entries of an account; None when it has no task for them.

        A phone pointer that is written a second time makes the metadata server fail, so they are not written on a guess. ``age``
        is the seconds since cic-ussd has the account, if known.
        """
        try:
            return self._choices.tasks_of(address)
        except UnavailableError as error:
            if age is not None and age > FETCHED_FOR:
                return None
            return f"whether its tasker still has a task for that is not known ({error.message}); a run in an hour writes it"

    def tasker_stands(self, person: Person) -> str | None:
        """Why the tasker may still be at work on a task that it has begun, as far as that is seen; None when it is not.

        A dial for a person who has an account gives it another task to take.
        """
        try:
            with self._dialling:
                self._services.ussd.choose_language(person.phone, person.language, pending=True)
            return self._choices.tasker_works()
        except UnavailableError:
            return None  # a task that it had begun is older than the wait for it

    def write(self, person: Person, address: bytes) -> str | None:
        """Writes the entries that the metadata store lacks, one after the other. Returns what was done, in words.

        Raises StepFailedError, with what is missing, when that fails.
        """
        whose = f"{person.phone} (0x{address.hex()})"
        what = f"the entries of {whose}"
        try:
            missing = self._missing(person, address)
            if not missing:
                return None
            what = f"{_named(missing)} of {whose}"
            for _, at, value in missing:
                for _, end in self._services.meta.ensure_many([Wanted(at, value)]):
                    if isinstance(end, CicScenarioError):
                        raise end
        except InterruptedRunError:
            raise
        except CicScenarioError as error:
            raise StepFailedError(
                f"cic-ussd's tasker has lost {what}, and the run cannot write them: {error.message}"
            ) from None
        return f"cic-ussd's tasker has lost {what}; this run has written them"

    def told(self, person: Person, address: bytes, why: str) -> str:
        """The message for a person whose entries are not there and were not written, and why they were not."""
        try:
            missing = _named(self._missing(person, address))
        except CicScenarioError as error:
            missing = f"its phone pointer ({error.message})"
        return f"cic-ussd has the account 0x{address.hex()} of {person.phone}, but the metadata store lacks {missing}: {why}"

    def _missing(self, person: Person, address: bytes) -> list[_Entry]:
        """The entries that the metadata store does not have. Raises CicScenarioError when they cannot be read."""
        entries = self._entries(person, address)
        found = self._services.meta.get_many([at for _, at, _ in entries])
        for value in found:
            if isinstance(value, CicScenarioError):
                raise value
        return [entry for entry, value in zip(entries, found, strict=True) if value is None]

    def _entries(self, person: Person, address: bytes) -> list[_Entry]:
        """The phone pointer comes last: with it, the person counts as done."""
        language = ("preferred language", pointer.preferences(address), {"preferred_language": person.language})
        return [
            *([language] if self._with_language else []),
            ("tags", pointer.custom(address), _TAGS),
            ("phone pointer", pointer.phone(person.phone), address.hex()),
        ]


def _named(entries: Sequence[_Entry]) -> str:
    return ", ".join(name for name, _, _ in reversed(entries))
