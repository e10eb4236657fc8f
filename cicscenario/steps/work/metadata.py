"""Writes the entries of one metadata kind. An entry that is in the store already and equal is not written again."""

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result
from cicscenario.capabilities.labour import labour
from cicscenario.capabilities.metadata import MetadataKind, Writer
from cicscenario.capabilities.phonerows import PhoneAccounts
from cicscenario.capabilities.waiting import Awaited, WaitExecutor
from cicscenario.errors import CicScenarioError, UnavailableError
from cicscenario.people.person import Person
from cicscenario.printable import foreign
from cicscenario.services.jsonvalues import address_of
from cicscenario.services.ussd_tasks import FETCHED_FOR
from cicscenario.state.rows import Outcome
from cicscenario.steps.work.account_table import report
from cicscenario.workers.entries import ANOTHER, entry_item
from cicscenario.workers.kinds import ENTRIES

_UNSEEN = "whether cic-ussd's tasker has a task left for the account is not known, so its entry is not written"
_ADVICE = "does cic-ussd's tasker run, and does it reach the metadata server?"


def executor(context: RunContext, kind: MetadataKind) -> Executor:
    """Writes the entries of a kind: at once, or behind those of the phone interface."""
    write = _WriteExecutor(context, kind)
    behind = kind.writer(context.scenario) is Writer.INTERFACE_FIRST
    return _BehindInterface(context, kind, write) if behind else write


def repairing_executor(context: RunContext, kind: MetadataKind) -> Executor:
    """Writes entries of a kind that only the phone interface writes otherwise."""
    return _InPlaceOfInterface(context, _WriteExecutor(context, kind))


class _WriteExecutor:
    """Writes the entries of a kind.

    Before it writes, it looks what is there. Only for an account that this run has just made, and that no other program knows,
    there can be nothing.
    """

    def __init__(self, context: RunContext, kind: MetadataKind) -> None:
        self._context = context
        self._kind = kind
        self._meta = context.services.meta
        self._spec = context.services.spec
        self._tell = context.tell
        traits = context.scenario.backend.traits
        self._new_is_empty = kind.by_account and traits.makes_accounts and not traits.joins_by_phone
        asks = kind.needs_phone_account(context.scenario) and context.services.environment.accounts
        self._phones = PhoneAccounts(context) if asks else None
        self._mutex = threading.Lock()
        self._replaced = 0

    def __call__(self, batch: Batch) -> Result:
        empty: Collection[int] = batch.fresh if self._new_is_empty else ()
        missing = self._phones.missing(batch.people) if self._phones else []
        report(missing, {person.phone for person in missing}, batch.result)
        failed = {person.id for person in missing}
        people = [person for person in batch.people if person.id not in failed]
        self.write(people, dict.fromkeys(empty), batch.result)
        return batch.result

    def write(self, people: Sequence[Person], present: dict[int, Any], made: Result) -> None:
        """Has the entries of these people in the store. ``present`` is what is known to be there, by person id."""
        others = self._written(people, present, made, keeps=self._kind.replaces is not None)
        if others:
            for person in others:
                self._announce(person, others[person])
            replaced = {person.id: value for person, value in others.items()}
            self._written(list(others), replaced, made, keeps=False)

    def _written(
        self, people: Sequence[Person], present: Mapping[int, Any], made: Result, *, keeps: bool
    ) -> dict[Person, Any]:
        """Writes entries; gives those people who have another one, which with ``keeps`` is not replaced, and what it is."""
        items = [self._item(person, present) for person in people]
        others = {}
        for index, end in labour(self._context, made, ENTRIES, {"keeps": keeps}, items):
            person = people[index]
            if isinstance(end, CicScenarioError):
                made.fail(person.id, end.message)
                continue
            if end["away"]:
                self._meta.seen_away()
            if end["end"] == ANOTHER:
                others[person] = end["present"]
            else:
                made.done(person.id, end["end"], read_back=True)
        return others

    def _item(self, person: Person, present: Mapping[int, Any]) -> dict[str, Any]:
        entry = self._kind.of(person, self._spec)
        known = (present[person.id],) if person.id in present else ()
        return entry_item(entry.pointer, entry.value, *known)

    def _announce(self, person: Person, present: Any) -> None:
        """Tells the user of another value before it is replaced."""
        assert self._kind.replaces is not None  # else nothing is kept
        with self._mutex:
            self._replaced += 1
            text = self._kind.replaces(person, present)
            self._tell(f"{self._kind.label}: {text} ({self._replaced} replaced in this run)")


class _TaskerTasks:
    """The tasks that cic-ussd's tasker has for accounts."""

    def __init__(self, context: RunContext) -> None:
        self._services = context.services

    def left(self, people: Sequence[Person]) -> dict[bytes, str | None]:
        """The tasks of the tasker for these accounts, in words; None for no task. An account is left out when it is not known.

        Redis gives back what a killed tasker had fetched within an hour. So an account that is older has no task either.
        """
        if not people:
            return {}
        accounts = [person.account for person in people]
        with suppress(UnavailableError):
            if self._services.ussd_tasks:
                found = self._services.ussd_tasks.left(accounts)
                return {account: found.get(account) for account in accounts}
        with suppress(UnavailableError):
            if self._services.environment.accounts:
                rows = self._services.accounts.read(person.phone for person in people)
                old = {phone for phone, row in rows.items() if row.age > FETCHED_FOR}
                return {person.account: None for person in people if person.phone in old}
        return {}


class _InPlaceOfInterface:
    """Writes, in a repair, entries that only the phone interface writes: it wrote them once, and does not write them again.

    Nothing is written for a number that the account table, where it can be asked, has with another account or not at all, and
    while the tasker still has a task for the account.
    """

    def __init__(self, context: RunContext, write: _WriteExecutor) -> None:
        self._services = context.services
        self._tasks = _TaskerTasks(context)
        self._write = write

    def __call__(self, batch: Batch) -> Result:
        fit = self._known(batch.people, batch.result)
        left = self._tasks.left(fit)
        for person in fit:
            if (why := left.get(person.account, _UNSEEN)) is not None:
                batch.result.fail(person.id, why)
        self._write.write([person for person in fit if left.get(person.account, "") is None], {}, batch.result)
        return batch.result

    def _known(self, people: Sequence[Person], made: Result) -> Sequence[Person]:
        """Those whom the account table has with their account. The others fail."""
        if self._services.environment.accounts is None:
            return people
        rows = self._services.accounts.read(person.phone for person in people)
        known = []
        for person in people:
            row = rows.get(person.phone)
            if row is not None and address_of(row.address) == person.account:
                known.append(person)
                continue
            found = "does not have it" if row is None else f"has it with the account {foreign(row.address, 42)}"
            made.fail(person.id, f"the account table {found}: {person.phone}, expected 0x{person.account.hex()}")
        return known


class _BehindInterface:
    """Waits for the phone interface's entry of each person, and then writes ours."""

    def __init__(self, context: RunContext, kind: MetadataKind, write: _WriteExecutor) -> None:
        self._kind = kind
        self._meta = context.services.meta
        self._spec = context.services.spec
        self._write = write
        self._mutex = threading.Lock()
        self._seen: dict[int, Any] = {}  #: what is there, of people who are about to be written
        self._unread: dict[int, str] = {}
        self._tasks = _TaskerTasks(context)
        self._redone = context.redo.of(kind.label)
        what = f"the phone interface's {kind.name} entries"
        missing = f"has no {kind.name} entry from the phone interface"
        self._wait = WaitExecutor(context, Awaited(self._there, missing, _ADVICE, failed=self._unreadable, what=what))

    def __call__(self, batch: Batch) -> Result:
        people = {person.id: person for person in batch.people}
        written = self._again(batch)
        waited = [person for person in batch.people if person.id not in written]
        for ends in self._wait.rounds(waited, batch.result):
            ready = [people[end.person] for end in ends if end.ok]
            with self._mutex:
                present = {person.id: self._seen.pop(person.id) for person in ready}
            self._write.write(ready, present, batch.result)
            self._write_lost([end for end in ends if not end.ok], people, batch.result)
        return batch.result

    def _again(self, batch: Batch) -> set[int]:
        """Writes, in a repair, for people for whom the tasker has nothing left to do: its entry will not come again."""
        again = [person for person in batch.people if person.id in self._redone]
        left = self._tasks.left(again)
        ready = [person for person in again if left.get(person.account, "") is None]
        self._write.write(ready, {}, batch.result)
        return {person.id for person in ready}

    def _write_lost(self, ends: Sequence[Outcome], people: Mapping[int, Person], made: Result) -> None:
        """Writes our entries for people whose entries the tasker has lost. The others fail as they ended.

        The tasker loses what it does when it is killed. It has lost an entry when it has no task for the account any more.
        """
        waited = [people[end.person] for end in ends if end.person not in self._unread]
        left = self._tasks.left(waited)
        lost = [person for person in waited if left.get(person.account, "") is None]
        gone = {person.id for person in lost}
        for end in ends:
            if end.person not in gone:
                why = left.get(people[end.person].account)
                made.fail(end.person, f"{end.detail}; {why}" if why else end.detail or "")
        self._write.write(lost, {}, made)

    def _there(self, people: Sequence[Person]) -> list[bool]:
        found = self._meta.get_many([self._kind.of(person, self._spec).pointer for person in people])
        for person, value in zip(people, found, strict=True):
            with self._mutex:
                self._unread.pop(person.id, None)
                if isinstance(value, CicScenarioError):
                    self._unread[person.id] = value.message
                elif value is not None:
                    self._seen[person.id] = value
        return [value is not None and not isinstance(value, CicScenarioError) for value in found]

    def _unreadable(self, people: Sequence[Person]) -> dict[int, str]:
        """The people whose entry cannot be read, with the reason. Whether it is there is not known."""
        with self._mutex:
            return {person.id: self._unread[person.id] for person in people if person.id in self._unread}
