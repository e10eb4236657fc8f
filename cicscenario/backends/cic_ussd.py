"""Accounts by phone: everybody dials, chooses a language, and is found by the phone pointer once the account is there.

The interface offers the choice of a language until the account has come to be, and each choice makes an account. So what
was asked for is in the state before it is asked, a choice that may have been taken is not made again while anybody moves,
and nobody dials to find out: the phone pointers tell. They come in about the order of the dials, so only the first few
that are awaited are looked for, and the rest when those are there: little more than one look a person.

An account that is there before it was asked for is not this run's: whoever had it made may have paid it, and would be
paying it for ever. So everybody is looked for once before they dial, too.
"""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence

from cicscenario.backends.custodial import FAUCET, GAS, PATIENCE, REGISTRATION, CustodialBackend
from cicscenario.backends.dialect import DIALECT
from cicscenario.capabilities.backend import BackendDescriptor, BackendPart
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.stall import StallTimer
from cicscenario.capabilities.step import Batch, Lane, Result
from cicscenario.connections import Service
from cicscenario.errors import UnavailableError
from cicscenario.language import KeyHolder, Rule, Scenario
from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.retry import PAUSES
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.ussd import SILENT, Joining, UssdError
from cicscenario.state.rows import RequestRow

_LOOKS, _MOST_LOOKS = 4, 32  # phone pointers asked for at a time, while none and while all of them are there
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0  # seconds between looks that found nothing
_DOUBT = 0.25  # share of the patience after which a choice that may have been taken counts as lost

#: What to make of somebody whose phone pointer leads to an account.
Found = Callable[[Person, bytes, Result], None]


class CicUssdBackend(CustodialBackend):
    """Accounts of the phone interface."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        scenario = context.scenario
        self._patience: float = scenario.backend.option("patience")
        self._asks_later = scenario.backend.option("dialect") == "2021" and scenario.chooses_language
        self._timer = StallTimer(context.clock)
        # The interface takes one call at a time: batches that dial in turn are through one after the other, not all at last.
        self._dialling = threading.Lock()
        self._circuit = CircuitBreaker(SILENT)

    def accounts(self, batch: Batch) -> Result:
        people, made = batch.people, Result()
        earlier = {person: rows for person, rows in self._requests(people).items() if rows}
        self._timer.restart()
        missing = self._look([person for person in people if person.id in earlier], made, self._found)
        missing += self._look([person for person in people if person.id not in earlier], made, _refuse_found)
        waiting: deque[Person] = deque()
        with self._dialling:
            for person in missing:
                if self._context.stopping.is_set():
                    break
                if why := self._timer.hopeless:
                    made.fail(person.id, f"not asked for: {why}")
                elif self._join(person, made, asked=person.id in earlier):
                    waiting.append(person)
        self._await(waiting, made)
        return made

    def _requests(self, people: Sequence[Person]) -> dict[int, list[RequestRow]]:
        """What may have been taken, by person; requests that surely came to nothing are left out."""
        found = self._context.state.requests([person.id for person in people])
        return {person: [row for row in rows if row.status != "failed"] for person, rows in found.items()}

    # --- dialling -----------------------------------------------------------------------------------------------

    def _join(self, person: Person, made: Result, *, asked: bool, again: bool = False) -> bool:
        """Has a person dial; says whether their account is there or on its way. Writes down first what it asks for.

        ``asked`` is whether an account was asked for before, ``again`` whether another is asked for nevertheless.
        """
        pending = asked and not again
        error: UssdError | None = None
        for pause in PAUSES:
            if error and not error.answered:
                self._context.stopping.wait(pause)
            request = RequestRow(uuid.uuid4().hex, person.id, "")
            if not pending:
                self._context.state.add_requests([request])
            try:
                joined = self._context.services.ussd.choose_language(person.phone, person.language, pending=pending)
            except UssdError as failure:
                error = failure
                if error.taken is None:
                    break
                if not pending:
                    self._answer(request, "failed", error.message)
            else:
                self._circuit.succeeded()
                self._timer.restart()
                if not asked and joined.joining is Joining.EXISTS:
                    self._refuse(person, request, made)
                    return False
                return True
        assert error
        return self._in_doubt(person, error, made)

    def _in_doubt(self, person: Person, error: UssdError, made: Result) -> bool:
        """Whether an account may be on its way all the same; raises the error when the interface answers nobody any more."""
        if error.answered:
            self._circuit.succeeded()
        else:
            self._circuit.failed(error)
        if self._circuit.open:
            raise error
        if error.taken is None:
            return True  # only the phone pointer can tell
        made.fail(person.id, error.message)
        return False

    def _refuse(self, person: Person, request: RequestRow, made: Result) -> None:
        why = _not_asked_for(f"the phone interface knows {person.phone}")
        self._answer(request, "failed", why)
        made.fail(person.id, why)

    def _answer(
        self, request: RequestRow, status: str, detail: str | None = None, address: bytes | None = None
    ) -> None:
        self._context.state.answer_requests(
            [RequestRow(request.id, request.person, request.channel, status, address, detail)]
        )

    # --- finding ------------------------------------------------------------------------------------------------

    def _await(self, waiting: deque[Person], made: Result) -> None:
        """Looks for phone pointers until all are there, or nobody at all has moved for the backend's patience."""
        number, looks, pause = len(waiting), _LOOKS, _FIRST_PAUSE
        again = set[int]()
        while waiting and not self._context.stopping.is_set():
            part = [waiting.popleft() for _ in range(min(looks, len(waiting)))]
            missing = self._look(part, made, self._found)
            waiting.extend(missing)  # behind the others: nobody who is lost holds them up
            if len(missing) < len(part):
                self._timer.progress()
                looks, pause = min(2 * looks, _MOST_LOOKS), _FIRST_PAUSE
                continue
            looks, pause = _LOOKS, min(2 * pause, _LONGEST_PAUSE)
            self._context.stopping.wait(pause)
            still = self._timer.seconds()
            if still > self._patience:
                if len(waiting) == number:
                    self._timer.give_up(number, self._standstill(waiting[0], still))
                for person in waiting:
                    made.fail(person.id, self._standstill(person, still))
                return
            if still > _DOUBT * self._patience:
                self._choose_again(waiting, again, made)

    def _choose_again(self, waiting: deque[Person], again: set[int], made: Result) -> None:
        """Whoever is still offered the choice, long after it was made, makes it again, once in a run."""
        for person in [person for person in waiting if person.id not in again]:
            again.add(person.id)
            if not self._join(person, made, asked=True, again=True):
                waiting.remove(person)

    def _look(self, people: Sequence[Person], made: Result, there: Found) -> list[Person]:
        """Tells ``there`` of those whose phone pointer is there; gives the others."""
        found = self._context.services.meta.get_many([pointer.phone(person.phone) for person in people])
        missing = []
        for person, value in zip(people, found, strict=True):
            if value is None:
                missing.append(person)
            elif (address := _address(value)) is None:
                made.fail(person.id, f"the phone pointer of {person.phone} leads nowhere: {value!r:.80}")
            else:
                there(person, address, made)
        return missing

    def _found(self, person: Person, address: bytes, made: Result) -> None:
        if self._asks_later:
            try:
                self._context.services.ussd.choose_language(person.phone, person.language)
            except UnavailableError as error:
                made.fail(person.id, f"has an account, but could not choose a language: {error.message}")
                return
        rows = self._requests([person]).get(person.id, [])
        if rows and not any(row.status == "created" for row in rows):
            self._answer(rows[-1], "created", address=address)
        made.found(person.id, address)

    def _standstill(self, person: Person, seconds: float) -> str:
        return (
            f"no phone pointer of {person.phone} in the metadata store, and nobody has got one for {seconds:.0f} seconds;"
            " do cic-ussd's tasker and the custodial engine run?"
        )


def _refuse_found(person: Person, address: bytes, made: Result) -> None:
    made.fail(person.id, _not_asked_for(f"the phone pointer of {person.phone} leads to 0x{address.hex()}"))


def _not_asked_for(seen: str) -> str:
    return (
        f"has an account already, which this run did not ask for: {seen}; choose another `population.seed`, or take people"
        " and accounts from the run that made them, with `population.from` and `backend: existing`"
    )


def _address(value: object) -> bytes | None:
    """A pointer's value: 40 hexadecimal digits, in any case, with or without 0x."""
    if not isinstance(value, str):
        return None
    try:
        raw = bytes.fromhex(value.lower().removeprefix("0x"))
    except ValueError:
        return None
    return raw if len(raw) == 20 else None


def _languages_of_2021(scenario: Scenario) -> tuple[str, ...] | None:
    chosen = {language for language, _ in scenario.population.languages}
    return (
        ("population", "languages") if scenario.backend.option("dialect") == "2021" and chosen - {"en", "sw"} else None
    )


BACKEND = BackendDescriptor(
    kind="cic_ussd",
    summary="everybody joins by phone, and the custodial engine does the rest",
    keys=KeyHolder.ENGINE,
    joins_by_phone=True,
    has_phone_accounts=True,
    options={"dialect": DIALECT, "patience": PATIENCE},
    open=CicUssdBackend,
    accounts=BackendPart("join by phone, one dial each", Lane.SERVICE, (Service.USSD, Service.META)),
    registration=REGISTRATION,
    gas=GAS,
    faucet=FAUCET,
    rules=(
        Rule(
            ("backend.dialect", "population.languages"),
            _languages_of_2021,
            "languages that the phone interface of 2021 does not offer",
            "it offers en and sw",
        ),
    ),
)
