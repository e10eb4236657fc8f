"""Requests accounts from the custodial engine, and waits for them.

Requests are at-least-once with a look-up first, because the engine does not record who sent a request: the id of each
task is saved in the state before the task is sent, and a resumed run looks up its result before it sends another. A request
is sent again only when its task is nowhere (``Lost.nowhere``) and the engine has answered others for a while: a paused
engine may still have it under way.
"""

import uuid
from collections.abc import Collection, Sequence
from functools import partial

from cicscenario.backends.work.askedpayments import AskedTraffic
from cicscenario.backends.work.custodial import CustodialBackend
from cicscenario.backends.work.enginepayments import EnginePayments
from cicscenario.backends.work.losttasks import LostTasks
from cicscenario.backends.work.slots import Slots
from cicscenario.backends.work.standstill import READ_ON
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result, Wait
from cicscenario.capabilities.stall import StallTimer
from cicscenario.people.person import Person
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Signing
from cicscenario.state.rows import RequestRow

_SLICE = 2.0  # seconds of one wait for results; ``stopping`` is tested between two waits
_AT_ONCE = 50  # accounts in one submission
_ANSWER = 3.0  # seconds in which an engine at work answers a question


class CicEthBackend(CustodialBackend):
    """Requests accounts from the custodial engine, at most the environment's ``in_flight`` at a time."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        self._channel = f"cicscenario-{context.lineage}"
        self._accounts = context.services.custodial.accounts(self._channel)
        where = context.services.environment.custodial
        in_flight = where.in_flight if where else _AT_ONCE
        self._in_flight = in_flight
        self._slots = Slots(in_flight)
        self._at_once = min(_AT_ONCE, in_flight)
        self._patience: float = context.scenario.backend.option("patience")
        self._timer = StallTimer(context.clock, self.movements())
        self._lost = LostTasks(lambda: context.services.custodial.unwell(_ANSWER), context.clock, self._patience)
        self._before = context.state.last_request()  # requests up to this one are of earlier runs
        self._could_not_sign = False

    def close(self) -> None:
        self._accounts.close()

    def traffic(self, step: str) -> Executor:
        shown = partial(self._standstill, tasks.GIFTER_ROLE)
        service = EnginePayments(self._context, self._in_flight, self.movements(), shown, self._patience)
        return AskedTraffic(self._context, step, service)

    def accounts(self, batch: Batch) -> Result:
        people, made = batch.people, batch.result
        for start in range(0, len(people), self._at_once):
            part = people[start : start + self._at_once]
            with self._slots.taken(len(part), self._context.stopping) as free:
                if not free:
                    break
                if why := self._timer.stalled or self._cannot_sign():
                    for person in people[start:]:
                        made.fail(person.id, f"no account was requested: {why}")
                    break
                self._make_accounts(part, made)
        return made

    def _cannot_sign(self) -> str | None:
        """Why nothing is requested at present. The engine is asked only after it has failed to sign."""
        if not self._could_not_sign:
            return None
        why = self._context.services.custodial.unwell()
        self._could_not_sign = why is not None
        return why

    def registration_failed(self, people: Sequence[Person]) -> dict[int, str]:
        """The accounts whose registration has failed for good, with the reason from the engine's results.

        The engine does not retry. So each run requests failed registrations once more, one after the other, and reports one
        only if that fails again, or if the engine could not sign it in this run.
        """
        found = self._registrations(people)
        failed = {person: signing.failed for person, (_, signing) in found.items() if signing.failed}
        ends = super().registration_failed(people)
        for person, why in failed.items():
            if why.unsigned and found[person][0] > self._before:
                ends.setdefault(person, f"{why.advised}; it is not requested again in this run: see {READ_ON}")
            elif self._registers.stopped:
                ends.setdefault(person, f"{why.advised}")
        self._registers.ask([person for person in people if person.id in failed and person.id not in ends])
        return ends

    def may_register_again(self, people: Sequence[Person]) -> Sequence[Person]:
        """Not for people whose task waits somewhere, and not for those whose failure is known (``registration_failed``)."""
        found = self._registrations(people)
        open_ = {person for person, (_, signing) in found.items() if signing.alive or signing.failed}
        return [person for person in people if person.id not in open_]

    def _registrations(self, people: Sequence[Person]) -> dict[int, tuple[int, Signing]]:
        """By person id: the number of the request that made the account, and how far its registration is."""
        requests = self._context.state.requests([person.id for person in people])
        made = {
            row.id: row
            for person in people
            for row in requests.get(person.id, ())
            if row.address is not None and row.address == person.address
        }
        found = self._accounts.registrations(list(made))
        return {made[root].person: (made[root].sequence, signing) for root, signing in found.items()}

    def _make_accounts(self, people: Sequence[Person], made: Result) -> None:
        asked = self._earlier(people, made)
        have = {person for person, _ in made.addresses} | set(asked.values())
        self._lost.began_earlier(asked)
        self._await(asked | self._ask({person.id for person in people} - have), made)

    def _ask(self, people: Collection[int]) -> dict[str, int]:
        """Requests an account for each person id. Returns the person ids by root id."""
        new = {str(uuid.uuid4()): person for person in sorted(people)}
        if new:
            self._accounts.ready()  # first: a request that was written down counts as one that may have been sent
            self._context.state.add_requests(RequestRow(root, person, self._channel) for root, person in new.items())
            self._accounts.submit(list(new))
        return new

    def _earlier(self, people: Sequence[Person], made: Result) -> dict[str, int]:
        """The person ids by root id of earlier requests without an outcome. Adds finished accounts to ``made``."""
        requests = self._context.state.requests([person.id for person in people])
        rows = {row.id: row for mine in requests.values() for row in mine if row.status != "failed"}
        asked = [row.id for row in rows.values() if row.status == "asked"]
        ends = self._accounts.recover(asked) if asked else {}
        self._record(rows, ends)
        addresses = {rows[root].person: end.address for root, end in ends.items() if isinstance(end, Created)}
        addresses |= {row.person: row.address for row in rows.values() if row.address}
        for person, address in addresses.items():
            made.found(person, address)
        return {
            root: rows[root].person
            for root, end in ends.items()
            if isinstance(end, Lost) and rows[root].person not in addresses
        }

    def _await(self, asked: dict[str, int], made: Result) -> None:
        """Waits until each person has an account or has failed, or until the stall timer reaches the patience.

        A person may have two requests, since one that counts as lost may be fulfilled after all: the first account that is
        made is taken.
        """
        self._timer.restart()
        people, again = set(asked.values()), set[int]()
        while asked and not self._context.stopping.is_set():
            ends = self._accounts.wait(list(asked), self._context.clock() + _SLICE)
            made.wait = self._waits(ends)
            if self._settle(asked, ends, made):
                self._timer.progress()
            elif lost := self._lost_of(asked, ends) - again:
                again |= lost
                asked |= self._ask(lost)
            elif self._timer.seconds() > self._patience:
                last = {person: str(ends[root]) for root, person in asked.items()}
                for person, why in last.items():
                    made.fail(person, why)
                if last.keys() == people:
                    self._timer.give_up(len(people), next(iter(last.values())))
                return

    def _waits(self, ends: dict[str, AccountOutcome]) -> Wait:
        seen = next((end.why for end in ends.values() if isinstance(end, Lost)), "")
        return Wait("accounts of the custodial engine", self._timer.since_progress(), self._patience, seen)

    def _lost_of(self, asked: dict[str, int], ends: dict[str, AccountOutcome]) -> set[int]:
        """The people whose tasks are all lost."""
        gone = self._lost.among({root: ends[root] for root in asked})
        return {asked[root] for root in gone} - {person for root, person in asked.items() if root not in gone}

    def _settle(self, asked: dict[str, int], ends: dict[str, AccountOutcome], made: Result) -> bool:
        """Removes people who have an account or have failed from ``asked``. Returns whether there were any."""
        self._record({root: RequestRow(root, person, self._channel) for root, person in asked.items()}, ends)
        finished = {root: end for root, end in ends.items() if not isinstance(end, Lost)}
        owners = {root: asked.pop(root) for root in finished}
        done = set[int]()
        for root, end in finished.items():
            if isinstance(end, Created) and owners[root] not in done:
                done.add(owners[root])
                made.found(owners[root], end.address)
        for root in [root for root, person in asked.items() if person in done]:
            del asked[root]
        for root, end in finished.items():
            if isinstance(end, Failed):
                self._could_not_sign |= end.unsigned
                if owners[root] not in done and owners[root] not in asked.values():
                    done.add(owners[root])
                    made.fail(owners[root], end.advised)
        return bool(finished)

    def _record(self, rows: dict[str, RequestRow], ends: dict[str, AccountOutcome]) -> None:
        """Writes outcomes down. A failure after which there may be an account leaves the request open, with the reason."""
        answered = []
        for root, end in ends.items():
            if isinstance(end, Created):
                answered.append(RequestRow(root, rows[root].person, self._channel, "created", end.address))
            elif isinstance(end, Failed):
                status = "failed" if end.keyless else "asked"
                answered.append(RequestRow(root, rows[root].person, self._channel, status, None, str(end)))
        self._context.state.answer_requests(answered)
