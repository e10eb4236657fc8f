"""The backend cic_eth: the custodial engine makes keys, registers accounts, gives gas and triggers the faucet.

Requests are at-least-once with a look-up first, because the engine does not record who sent a request: the id of each
task is saved in the state before the task is sent, and a resumed run looks up its result before it sends another.
"""

import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from cicscenario.backends.custodial import FAUCET, GAS, PATIENCE, REGISTRATION, CustodialBackend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.descriptor import BackendDescriptor, BackendPart
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.capabilities.stall import StallTimer
from cicscenario.capabilities.step import Lane
from cicscenario.connections import Service
from cicscenario.language import KeyHolder
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Trace
from cicscenario.state.rows import RequestRow

_SLICE = 2.0  # seconds of one wait for results; ``stopping`` is tested between two waits
_AT_ONCE = 50  # accounts in one submission
_RESULT_GRACE = 2.0  # seconds until a task of an earlier run without a result counts as never sent
_LOST_AFTER = 10.0  # seconds without progress until a task that is neither queued nor has a result is sent again


class CicEthBackend(CustodialBackend):
    """Requests accounts from the custodial engine, at most the environment's ``in_flight`` at a time."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        self._channel = f"cicscenario-{context.lineage}"
        self._accounts = context.services.custodial.accounts(self._channel)
        where = context.services.environment.custodial
        in_flight = where.in_flight if where else _AT_ONCE
        self._slots = _Slots(in_flight)
        self._at_once = min(_AT_ONCE, in_flight)
        self._patience: float = context.scenario.backend.option("patience")
        self._timer = StallTimer(context.clock)
        self._registering: dict[int, str] = {}  # root ids of repeated registrations, by person id

    def close(self) -> None:
        self._accounts.close()

    def accounts(self, batch: Batch) -> Result:
        people, made = batch.people, Result()
        for start in range(0, len(people), self._at_once):
            part = people[start : start + self._at_once]
            with self._slots.taken(len(part), self._context.stopping) as free:
                if not free:
                    break
                if why := self._timer.stalled:
                    for person in people[start:]:
                        made.fail(person.id, f"no account was requested: {why}")
                    break
                self._make_accounts(part, made)
        return made

    def registration_failed(self, people: Sequence[Person]) -> dict[int, str]:
        """The accounts whose registration has failed, with the reason from the engine's results.

        The engine does not retry. So each run requests a failed registration once more, and only reports it if it fails
        again.
        """
        requests = self._context.state.requests([person.id for person in people])
        owned = {
            request.id: person.id
            for person in people
            for request in requests.get(person.id, ())
            if request.address == person.address
        }
        ends = self._accounts.recover(list(owned))
        failed = {
            owned[root]: end.address for root, end in ends.items() if isinstance(end, Created) and end.unregistered
        }
        return {}  # the requests are repeated below

    def _make_accounts(self, people: Sequence[Person], made: Result) -> None:
        asked = self._earlier(people, made)
        have = {person for person, _ in made.addresses} | set(asked.values())
        self._await(asked | self._ask({person.id for person in people} - have), made)

    def _ask(self, people: Collection[int]) -> dict[str, int]:
        """Requests an account for each person id. Returns the person ids by root id."""
        new = {str(uuid.uuid4()): person for person in sorted(people)}
        self._context.state.add_requests(RequestRow(root, person, self._channel) for root, person in new.items())
        self._accounts.submit(list(new))
        return new

    def _earlier(self, people: Sequence[Person], made: Result) -> dict[str, int]:
        """The person ids by root id of earlier requests that are still pending. Adds finished accounts to ``made``."""
        requests = self._context.state.requests([person.id for person in people])
        rows = {row.id: row for mine in requests.values() for row in mine if row.status != "failed"}
        ends = self._recover([row.id for row in rows.values() if row.status == "asked"])
        self._record(rows, ends)
        addresses = {rows[root].person: end.address for root, end in ends.items() if isinstance(end, Created)}
        addresses |= {row.person: row.address for row in rows.values() if row.address}
        for person, address in addresses.items():
            made.found(person, address)
        return {
            root: rows[root].person
            for root, end in ends.items()
            if isinstance(end, Lost) and end.trace is not Trace.UNKNOWN and rows[root].person not in addresses
        }

    def _recover(self, roots: Sequence[str]) -> dict[str, AccountOutcome]:
        """The outcomes of earlier tasks. Waits a moment for tasks that a worker may have just taken from the queue."""
        if not roots:
            return {}
        ends = self._accounts.recover(roots)
        unknown = _lost_tasks(ends)
        return ends | self._accounts.wait(unknown, self._context.clock() + _RESULT_GRACE) if unknown else ends

    def _await(self, asked: dict[str, int], made: Result) -> None:
        """Waits until each person has an account or has failed, or until the stall timer reaches the patience."""
        self._timer.restart()
        number, again = len(asked), True
        while asked and not self._context.stopping.is_set():
            ends = self._accounts.wait(list(asked), self._context.clock() + _SLICE)
            if self._settle(asked, ends, made):
                self._timer.progress()
            elif again and self._timer.seconds() > _LOST_AFTER and (lost := _lost_tasks(ends)):
                again = False
                asked |= self._ask({asked.pop(root) for root in lost})
            elif self._timer.seconds() > self._patience:
                for root, person in asked.items():
                    made.fail(person, str(ends[root]))
                if len(asked) == number:
                    self._timer.give_up(number, str(next(iter(ends.values()))))
                return

    def _settle(self, asked: dict[str, int], ends: dict[str, AccountOutcome], made: Result) -> bool:
        """Removes people who have an account or have failed from ``asked``. Returns whether there were any."""
        self._record({root: RequestRow(root, person, self._channel) for root, person in asked.items()}, ends)
        finished = [root for root, end in ends.items() if not isinstance(end, Lost)]
        for root in finished:
            person, end = asked.pop(root), ends[root]
            if isinstance(end, Created):
                made.found(person, end.address)
            else:
                made.fail(person, str(end))
        return bool(finished)

    def _record(self, rows: dict[str, RequestRow], ends: dict[str, AccountOutcome]) -> None:
        answered = []
        for root, end in ends.items():
            if isinstance(end, Created):
                answered.append(RequestRow(root, rows[root].person, self._channel, "created", end.address))
            elif isinstance(end, Failed):
                answered.append(RequestRow(root, rows[root].person, self._channel, "failed", None, str(end)))
        self._context.state.answer_requests(answered)


def _lost_tasks(ends: dict[str, AccountOutcome]) -> list[str]:
    """Tasks that are neither queued nor have a result. A killed worker loses the tasks that it has fetched."""
    return [root for root, end in ends.items() if isinstance(end, Lost) and end.trace is Trace.UNKNOWN]


class _Slots:
    """A semaphore for a number of accounts, with a wait that can be stopped."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, number: int, stopping: threading.Event) -> Iterator[bool]:
        """Takes ``number`` slots, and releases them at the end. Yields False if ``stopping`` was set before."""
        with self._changed:
            while self._free < number and not stopping.is_set():
                self._changed.wait(0.5)
            granted = self._free >= number
            self._free -= number if granted else 0
        try:
            yield granted
        finally:
            with self._changed:
                self._free += number if granted else 0
                self._changed.notify_all()


BACKEND = BackendDescriptor(
    kind="cic_eth",
    summary="the custodial engine makes the accounts, and gives gas and triggers the faucet by itself",
    keys=KeyHolder.ENGINE,
    options={"patience": PATIENCE},
    open=CicEthBackend,
    accounts=BackendPart("have the custodial engine make accounts", Lane.SERVICE, (Service.CUSTODIAL,)),
    registration=REGISTRATION,
    gas=GAS,
    faucet=FAUCET,
)
