"""Creates accounts by phone: each person dials and chooses a language; the account is then found by the phone pointer.

The interface offers the language menu until the account exists, and each choice creates another account. So each request
is saved in the state before it is sent. A choice that may have been taken is made again only when it is known to be over
(``choices.py``). The result is looked up by the phone pointer, never by dialling. Pointers appear in about the order of the
dials, so only the first few are polled until they are there: little more than one look-up per person.

cic-ussd's tasker writes the pointer, and loses it when it is killed. When cic-ussd has the account and no task of the tasker
is left for it, the run writes what the tasker would have written.

An account that exists before this run requested it is refused: another run may have paid its gift already, and might
pay again. So each phone pointer is also looked up once before the person dials.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from cicscenario.backends.work.askedpayments import AskedTraffic
from cicscenario.backends.work.choices import Choice, Choices, Fate
from cicscenario.backends.work.custodial import CustodialBackend
from cicscenario.backends.work.joining import unfit
from cicscenario.backends.work.lost_entries import LostEntries
from cicscenario.backends.work.phone_joining import PhoneJoining
from cicscenario.backends.work.phone_waiting import WaitingPeople
from cicscenario.backends.work.phonepayments import PhonePayments
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Executor, Result, Wait
from cicscenario.capabilities.stall import Movement, StallTimer
from cicscenario.errors import CicScenarioError, StepFailedError, UnavailableError
from cicscenario.language import Scenario
from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.services.jsonvalues import address_of
from cicscenario.services.ussd import Joining, UssdError

_LOOKS, _MOST_LOOKS = 4, 32  # phone pointers in one look-up: at the start, and at most
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0  # seconds between look-ups that found nothing (back-off)
_GRACE = 0.25  # share of the patience without a new pointer after which the choices are looked into
_LOOK_AGAIN = 0.1  # share of the patience between two such looks
_MOMENT = 1.0  # seconds in which a tasker that works ends what it has begun

#: Handles a person whose phone pointer leads to an account.
Found = Callable[[Person, bytes, Result], None]


class CicUssdBackend(CustodialBackend):
    """Creates accounts through the phone interface."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        scenario = context.scenario
        self._patience: float = scenario.backend.option("patience")
        is_old = scenario.backend.option("dialect") == "2021"
        self._asks_later = is_old and scenario.chooses_language
        self._timer = StallTimer(context.clock, self._own_movements())
        self._choices = Choices(context)
        # The interface handles one call at a time, so batches dial one after the other. Otherwise all would end late.
        self._dialling = threading.Lock()
        self._lost = LostEntries(context, self._choices, self._dialling, with_language=not is_old)
        self._phones = PhoneJoining(context)

    def _own_movements(self) -> list[Movement]:
        """The work of the Celery workers of the engine and of cic-ussd, and the rows of its account table."""
        found: list[Movement] = [self._activity] if self._has_engine else []
        if self._context.services.environment.accounts is not None:
            found.append(lambda: self._context.services.accounts.count())
        return found

    def traffic(self, step: str) -> Executor:
        service = PhonePayments(self._context, [*self.movements(), *self._own_movements()], self._patience)
        return AskedTraffic(self._context, step, service)

    def accounts(self, batch: Batch) -> Result:
        made = batch.result
        people = _fit(self._context.scenario, batch.people, made)
        earlier = frozenset(person for person, rows in self._phones.requests(people).items() if rows)
        self._timer.restart()
        missing = self._look([person for person in people if person.id in earlier], made, self._found)
        missing += self._look([person for person in people if person.id not in earlier], made, _refuse_found)
        waiting = WaitingPeople(deque(), earlier, set())
        with self._dialling:
            for person in missing:
                if self._context.stopping.is_set():
                    break
                if why := self._timer.stalled:
                    made.fail(person.id, f"no account was requested: {why}")
                else:
                    self._join(person, made, waiting)
        self._await(waiting, made)
        return made

    def _join(self, person: Person, made: Result, waiting: WaitingPeople) -> None:
        """Dials for a person, who then waits. Raises UssdError when the interface answers nobody."""
        asked = person.id in waiting.earlier
        joining = self._dial(person, made, pending=asked)
        self._timer.restart()
        if joining is Joining.EXISTS and not asked:
            made.fail(person.id, _not_requested(f"the phone interface knows {person.phone}"))
        elif joining is not None:
            waiting.queue.append(person)
            waiting.registered |= {person.id} if joining is Joining.EXISTS else set()

    def _dial(
        self, person: Person, made: Result, *, pending: bool, may_choose: Callable[[], bool] = lambda: True
    ) -> Joining | None:
        """What came of a call; None for a person who has failed."""
        try:
            return self._phones.join(person, pending=pending, may_choose=may_choose)
        except UssdError as error:
            if self._phones.gives_up:
                raise
            made.fail(person.id, error.message)
            return None

    # --- looking up phone pointers ------------------------------------------------------------------------------

    def _await(self, waiting: WaitingPeople, made: Result) -> None:
        """Polls for phone pointers until all are there, or until the stall timer reaches the patience."""
        number, looks, pause = len(waiting.queue), _LOOKS, _FIRST_PAUSE
        next_look = 0.0
        while waiting.queue and not self._context.stopping.is_set():
            part = [waiting.queue.popleft() for _ in range(min(looks, len(waiting.queue)))]
            missing = self._look(part, made, self._found)
            waiting.queue.extend(missing)  # at the end, so that a lost account does not delay the others
            if len(missing) < len(part):
                self._timer.progress()
                looks, pause = min(2 * looks, _MOST_LOOKS), _FIRST_PAUSE
                continue
            looks, pause = _LOOKS, min(2 * pause, _LONGEST_PAUSE)
            made.wait = self._waits(waiting)
            self._context.stopping.wait(pause)
            if self._timer.since_progress() > _GRACE * self._patience and self._context.clock() >= next_look:
                self._look_into(waiting, made)
                next_look = self._context.clock() + _LOOK_AGAIN * self._patience
            stalled = self._timer.seconds()
            if stalled > self._patience and not self._decided_later(waiting, made):
                self._give_up(waiting, number, stalled, made)
            self._choices.watch()

    def _waits(self, waiting: WaitingPeople) -> Wait:
        first = waiting.queue[0]
        choice = waiting.choices.get(first.id)
        seen = f"{first.phone} has no phone pointer" + (f": {choice.why}" if choice and choice.why else "")
        return Wait("phone pointers", self._timer.since_progress(), self._patience, seen)

    def _give_up(self, waiting: WaitingPeople, number: int, stalled: float, made: Result) -> None:
        people = list(waiting.queue)
        if people and len(people) == number:
            self._timer.give_up(number, self._stall_message(people[0], stalled, waiting))
        for person in people:
            made.fail(person.id, self._stall_message(person, stalled, waiting))
        waiting.end(people)

    def known_account(self, person: int) -> bytes | None:
        """That of the phone pointer. Raises an error when the metadata server does not answer."""
        phone = self._context.population.person(person).phone
        (found,) = self._context.services.meta.get_many([pointer.phone(phone)])
        if isinstance(found, CicScenarioError):
            raise found
        return None if found is None else address_of(found)

    def _look(self, people: Sequence[Person], made: Result, there: Found) -> list[Person]:
        """Calls ``there`` for each person whose phone pointer exists. Returns the other people."""
        found = self._context.services.meta.get_many([pointer.phone(person.phone) for person in people])
        missing = []
        for person, value in zip(people, found, strict=True):
            if value is None:
                missing.append(person)
            elif isinstance(value, CicScenarioError):
                made.fail(person.id, value.message)
            elif (address := address_of(value)) is None:
                made.fail(person.id, f"the phone pointer of {person.phone} is not an address: {value!r:.80}")
            else:
                there(person, address, made)
        return missing

    def _found(self, person: Person, address: bytes, made: Result, detail: str | None = None) -> None:
        if self._asks_later:
            try:
                self._context.services.ussd.choose_language(person.phone, person.language)
            except UnavailableError as error:
                made.fail(person.id, f"has an account, but could not choose a language: {error.message}")
                return
        self._phones.created(person, address)
        made.found(person.id, address, detail=detail)

    # --- after the grace: what has become of the choices ----------------------------------------------------------

    def _look_into(self, waiting: WaitingPeople, made: Result) -> None:
        """Chooses again for people whose choice is over, and writes what the tasker has lost."""
        people = list(waiting.queue)
        waiting.choices = self._choices.look(people)
        self._write_lost(waiting, made)
        for person in people:
            if waiting.choices[person.id].fate is Fate.OVER and person.id not in waiting.again:
                self._choose_again(person, waiting, made)
        self._fail_known(waiting, made)

    def _fail_known(self, waiting: WaitingPeople, made: Result) -> None:
        """Ends the wait of people of an earlier run whose account cic-ussd has: they have waited for their pointers before."""
        known = [
            person
            for person in waiting.queue
            if person.id in waiting.earlier
            and (person.id in waiting.registered or waiting.choices[person.id].fate is Fate.REGISTERED)
        ]
        for person in known:
            made.fail(person.id, self._stall_message(person, self._timer.seconds(), waiting))
        waiting.end(known)

    def _choose_again(self, person: Person, waiting: WaitingPeople, made: Result) -> None:
        def may_choose() -> bool:
            if self._is_over(person, waiting):
                waiting.again.add(person.id)
            return person.id in waiting.again

        with self._dialling:
            joining = self._dial(person, made, pending=False, may_choose=may_choose)
        if person.id in waiting.again:
            self._timer.restart()
        if joining is None:
            waiting.end([person])
        elif joining is Joining.EXISTS:
            waiting.registered.add(person.id)

    def _is_over(self, person: Person, waiting: WaitingPeople) -> bool:
        """Looks a last time, after the interface has shown the menu again: it handles one request at a time.

        Also saves what has become of the earlier choices.
        """
        choice = self._choices.look([person])[person.id]
        if choice.fate is Fate.OVER and choice.made:
            choice = self._if_tasker_works(choice, person, waiting)
        waiting.choices[person.id] = choice
        if choice.fate is Fate.OVER:
            self._phones.over(person, choice.made, choice.why, may_exist=choice.may_exist)
        return choice.fate is Fate.OVER or (choice.fate is Fate.UNSEEN and person.id in waiting.earlier)

    def _if_tasker_works(self, choice: Choice, person: Person, waiting: WaitingPeople) -> Choice:
        """The choice, but LIVE when the tasker is paused or only just at work again, and UNSEEN when that is not known."""
        try:
            why = self._choices.tasker_works()
        except UnavailableError as error:
            return replace(choice, fate=Fate.UNSEEN, why=error.message)
        now = self._context.clock()
        if why:
            waiting.tasker_worked.pop(person.id, None)
        elif now - waiting.tasker_worked.setdefault(person.id, now) < _MOMENT:
            why = "cic-ussd's tasker may be handling its report just now"
        return replace(choice, fate=Fate.LIVE, why=why) if why else choice

    def _decided_later(self, waiting: WaitingPeople, made: Result) -> bool:
        """Chooses again for people of an earlier run whose choice cannot be seen. Returns whether there were any.

        The run that made the choice does not make it again, since the engine may only be slow.
        """
        unseen = [
            person
            for person in waiting.queue
            if person.id in waiting.earlier - waiting.again - waiting.registered
            and person.id in waiting.choices
            and waiting.choices[person.id].fate is Fate.UNSEEN
        ]
        for person in unseen:
            self._choose_again(person, waiting, made)
        return bool(unseen)

    def _write_lost(self, waiting: WaitingPeople, made: Result) -> None:
        """Writes the entries of people whose account cic-ussd has, when the tasker has no task for them any more."""
        lost = []
        for person in waiting.queue:
            choice = waiting.choices[person.id]
            if choice.fate is Fate.REGISTERED and choice.address:
                if why := self._lost.may_come(choice.address, choice.age):
                    waiting.choices[person.id] = replace(choice, why=why)
                else:
                    lost.append((person, choice.address))
        if not lost:
            return
        if why := self._lost.tasker_stands(lost[0][0]):
            waiting.choices |= {person.id: replace(waiting.choices[person.id], why=why) for person, _ in lost}
            return
        for person, address in lost:
            try:
                self._found(person, address, made, self._lost.write(person, address))
            except StepFailedError as error:
                made.fail(person.id, error.message)
        self._timer.progress()
        waiting.end([person for person, _ in lost])

    def _stall_message(self, person: Person, seconds: float, waiting: WaitingPeople) -> str:
        choice = waiting.choices.get(person.id)
        head = f"the metadata store has no phone pointer of {person.phone}, and got no new pointer for {seconds:.0f} seconds"
        if choice is None:
            return f"{head}; do cic-ussd's tasker and the custodial engine run?"
        if choice.address:
            return self._lost.told(person, choice.address, choice.why)
        if person.id in waiting.registered:
            return (
                f"cic-ussd has an account of {person.phone}, but its tasker has not written the phone pointer, or has lost it;"
                f" the account's address cannot be seen: add `accounts` to the environment file"
            )
        if choice.fate is Fate.UNSEEN:
            return (
                f"{head}; whether the account is still being made cannot be seen ({choice.why}), so the choice is not made"
                " again in this run: the next run decides"
            )
        return f"{head}: {choice.why}"


def _refuse_found(person: Person, address: bytes, made: Result) -> None:
    made.fail(person.id, _not_requested(f"the phone pointer of {person.phone} leads to 0x{address.hex()}"))


def _not_requested(seen: str) -> str:
    return (
        f"has an account that this run did not request: {seen}; choose another `population.seed`, or take people and"
        " accounts from the run that made them, with `population.from` and `backend: existing`"
    )


def _fit(scenario: Scenario, people: Sequence[Person], made: Result) -> list[Person]:
    """The people who can join by phone; the others have failed."""
    fit = []
    for person in people:
        if problem := unfit(scenario, person):
            made.fail(person.id, problem)
        else:
            fit.append(person)
    return fit
