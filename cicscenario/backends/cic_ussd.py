"""The backend cic_ussd: each person dials and chooses a language; the new account is then found by the phone pointer.

The interface offers the language menu until the account exists, and each choice creates another account. So each request
is saved in the state before it is sent. A choice that the interface may have accepted is not repeated while other people
progress. The result is looked up by the phone pointer, never by dialling. Pointers appear in about the order of the
dials, so only the first few are polled until they are there: little more than one look-up per person.

An account that exists before this run requested it is refused: another run may have paid its gift already, and might
pay again. So each phone pointer is also looked up once before the person dials.
"""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence

from cicscenario.backends.custodial import FAUCET, GAS, PATIENCE, REGISTRATION, CustodialBackend
from cicscenario.backends.dialect import DIALECT
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.descriptor import BackendDescriptor, BackendPart
from cicscenario.capabilities.executor import Batch, Result
from cicscenario.capabilities.stall import StallTimer
from cicscenario.capabilities.step import Lane
from cicscenario.connections import Service
from cicscenario.errors import UnavailableError
from cicscenario.language import KeyHolder, Rule, Scenario
from cicscenario.people import pointer
from cicscenario.people.person import Person
from cicscenario.people.phone import PhoneNumbers
from cicscenario.retry import PAUSES
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.ussd import DIGITS, SILENT, Joining, UssdError, language_problem, number_problem
from cicscenario.services.ussd_screens import Dialect
from cicscenario.state.rows import RequestRow

_LOOKS, _MOST_LOOKS = 4, 32  # phone pointers in one look-up: at the start, and at most
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0  # seconds between look-ups that found nothing (back-off)
_REPEAT_AFTER = 0.25  # share of the patience after which a choice that may have been accepted is made again

#: Handles a person whose phone pointer leads to an account.
Found = Callable[[Person, bytes, Result], None]


class CicUssdBackend(CustodialBackend):
    """Creates accounts through the phone interface."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        scenario = context.scenario
        self._patience: float = scenario.backend.option("patience")
        self._asks_later = scenario.backend.option("dialect") == "2021" and scenario.chooses_language
        self._timer = StallTimer(context.clock)
        # The interface handles one call at a time, so batches dial one after the other. Otherwise all would end late.
        self._dialling = threading.Lock()
        self._circuit = CircuitBreaker(SILENT)

    def accounts(self, batch: Batch) -> Result:
        made = Result()
        people = _fit(self._context.scenario, batch.people, made)
        earlier = {person: rows for person, rows in self._requests(people).items() if rows}
        self._timer.restart()
        missing = self._look([person for person in people if person.id in earlier], made, self._found)
        missing += self._look([person for person in people if person.id not in earlier], made, _refuse_found)
        waiting: deque[Person] = deque()
        with self._dialling:
            for person in missing:
                if self._context.stopping.is_set():
                    break
                if why := self._timer.stalled:
                    made.fail(person.id, f"no account was requested: {why}")
                elif self._join(person, made, asked=person.id in earlier):
                    waiting.append(person)
        self._await(waiting, made)
        return made

    def _requests(self, people: Sequence[Person]) -> dict[int, list[RequestRow]]:
        """The requests that the interface may have accepted, by person id. Requests that have failed are left out."""
        found = self._context.state.requests([person.id for person in people])
        return {person: [row for row in rows if row.status != "failed"] for person, rows in found.items()}

    # --- dialling -----------------------------------------------------------------------------------------------

    def _join(self, person: Person, made: Result, *, asked: bool, again: bool = False) -> bool:
        """Dials for a person. Returns whether the account exists or is being created. Saves the request first.

        ``asked`` is whether an account was requested before, ``again`` whether to request it again in that case.
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
        return self._may_be_accepted(person, error, made)

    def _may_be_accepted(self, person: Person, error: UssdError, made: Result) -> bool:
        """Whether the account may be created in spite of the error. Raises the error when the circuit breaker is open."""
        if error.answered:
            self._circuit.succeeded()
        else:
            self._circuit.failed(error)
        if self._circuit.open:
            raise error
        if error.taken is None:
            return True  # only the phone pointer will show it
        made.fail(person.id, error.message)
        return False

    def _refuse(self, person: Person, request: RequestRow, made: Result) -> None:
        why = _not_requested(f"the phone interface knows {person.phone}")
        self._answer(request, "failed", why)
        made.fail(person.id, why)

    def _answer(
        self, request: RequestRow, status: str, detail: str | None = None, address: bytes | None = None
    ) -> None:
        self._context.state.answer_requests(
            [RequestRow(request.id, request.person, request.channel, status, address, detail)]
        )

    # --- looking up phone pointers ------------------------------------------------------------------------------

    def _await(self, waiting: deque[Person], made: Result) -> None:
        """Polls for phone pointers until all are there, or until the stall timer reaches the patience."""
        number, looks, pause = len(waiting), _LOOKS, _FIRST_PAUSE
        again = set[int]()
        while waiting and not self._context.stopping.is_set():
            part = [waiting.popleft() for _ in range(min(looks, len(waiting)))]
            missing = self._look(part, made, self._found)
            waiting.extend(missing)  # at the end of the queue, so that a lost account does not delay the others
            if len(missing) < len(part):
                self._timer.progress()
                looks, pause = min(2 * looks, _MOST_LOOKS), _FIRST_PAUSE
                continue
            looks, pause = _LOOKS, min(2 * pause, _LONGEST_PAUSE)
            self._context.stopping.wait(pause)
            stalled = self._timer.seconds()
            if stalled > self._patience:
                if len(waiting) == number:
                    self._timer.give_up(number, self._stall_message(waiting[0], stalled))
                for person in waiting:
                    made.fail(person.id, self._stall_message(person, stalled))
                return
            if stalled > _REPEAT_AFTER * self._patience:
                self._choose_again(waiting, again, made)

    def _choose_again(self, waiting: deque[Person], again: set[int], made: Result) -> None:
        """Makes the choice again for people who are still offered the menu, once per person and run."""
        for person in [person for person in waiting if person.id not in again]:
            again.add(person.id)
            if not self._join(person, made, asked=True, again=True):
                waiting.remove(person)

    def _look(self, people: Sequence[Person], made: Result, there: Found) -> list[Person]:
        """Calls ``there`` for each person whose phone pointer exists. Returns the other people."""
        found = self._context.services.meta.get_many([pointer.phone(person.phone) for person in people])
        missing = []
        for person, value in zip(people, found, strict=True):
            if value is None:
                missing.append(person)
            elif (address := _address(value)) is None:
                made.fail(person.id, f"the phone pointer of {person.phone} is not an address: {value!r:.80}")
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

    def _stall_message(self, person: Person, seconds: float) -> str:
        return (
            f"the metadata store has no phone pointer of {person.phone}, and got no new pointer for {seconds:.0f} seconds;"
            " do cic-ussd's tasker and the custodial engine run?"
        )


def _refuse_found(person: Person, address: bytes, made: Result) -> None:
    made.fail(person.id, _not_requested(f"the phone pointer of {person.phone} leads to 0x{address.hex()}"))


def _not_requested(seen: str) -> str:
    return (
        f"has an account that this run did not request: {seen}; choose another `population.seed`, or take people and"
        " accounts from the run that made them, with `population.from` and `backend: existing`"
    )


def _address(value: object) -> bytes | None:
    """Parses a pointer's value: 40 hexadecimal digits, upper or lower case, with or without 0x. None if it is not one."""
    if not isinstance(value, str):
        return None
    try:
        raw = bytes.fromhex(value.lower().removeprefix("0x"))
    except ValueError:
        return None
    return raw if len(raw) == 20 else None


def _unfit(scenario: Scenario, person: Person) -> str | None:
    """The reason why a person cannot join by phone."""
    dialect = Dialect(scenario.backend.option("dialect"))
    return number_problem(person.phone) or language_problem(person.language, dialect)


def _fit(scenario: Scenario, people: Sequence[Person], made: Result) -> list[Person]:
    """The people who can join by phone; the others have failed."""
    fit = []
    for person in people:
        if problem := _unfit(scenario, person):
            made.fail(person.id, problem)
        else:
            fit.append(person)
    return fit


def _refused_number(scenario: Scenario) -> str | None:
    """The first number of a generated person that the interface does not take."""
    people = scenario.population
    if people.source is not None or people.size is None:
        return None
    return PhoneNumbers(people.seed, people.region).first_beyond(DIGITS, people.size)


def _languages_of_2021(scenario: Scenario) -> tuple[str, ...] | None:
    chosen = {language for language, _ in scenario.population.languages}
    return (
        ("population", "languages") if scenario.backend.option("dialect") == "2021" and chosen - {"en", "sw"} else None
    )


BACKEND = BackendDescriptor(
    kind="cic_ussd",
    summary="people join by phone, and the custodial engine does the rest",
    keys=KeyHolder.ENGINE,
    joins_by_phone=True,
    has_phone_accounts=True,
    options={"dialect": DIALECT, "patience": PATIENCE},
    open=CicUssdBackend,
    accounts=BackendPart("join by phone, one dial each", Lane.SERVICE, (Service.USSD, Service.META)),
    registration=REGISTRATION,
    gas=GAS,
    faucet=FAUCET,
    unfit=_unfit,
    rules=(
        Rule(
            ("backend.kind", "population.region", "population.size", "population.seed", "population.from"),
            lambda s: ("population", "region") if s.backend.traits.joins_by_phone and _refused_number(s) else None,
            "a region with phone numbers that the phone interface does not take",
            lambda s: (
                f"{s.population.region} has numbers such as {_refused_number(s)}, and it takes + and {DIGITS[0]} to"
                f" {DIGITS[-1]} digits: choose another `region`, such as KE"
            ),
        ),
        Rule(
            ("backend.dialect", "population.languages"),
            _languages_of_2021,
            "languages that the phone interface of 2021 does not offer",
            "it offers en and sw",
        ),
    ),
)
