"""Holds the planned payments against what people are told of their transactions, by phone or by the custodial engine."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from cicscenario.capabilities.check import NotKnown
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.madetransfers import transfers_by
from cicscenario.capabilities.payments import payments_in, units
from cicscenario.capabilities.pinsource import pin_source
from cicscenario.chain.abi import to_hex
from cicscenario.errors import UnavailableError
from cicscenario.people.person import Person
from cicscenario.retry import pause
from cicscenario.services.circuit import CircuitBreaker
from cicscenario.services.custodial.outcome import Failed, Lost
from cicscenario.services.ussd import SILENT, UssdError
from cicscenario.services.ussd_menus import PhoneMenus, StatementLine
from cicscenario.wording import counted

_LINES = 9  # of a statement by phone
_AGAIN = (0.0, 0.5, 1.0, 2.0)  # seconds before a statement is read: a dial asks for it, and the tasker brings it later
_LONGEST, _LOOK = 120.0, 1.0  # seconds for the tasker's tasks, and between two looks at them
_ANSWER = 60.0  # seconds for the engine's answers


def verifier(context: RunContext, sample: int) -> Verifier:
    """Reads the statements of one person in ``sample`` by phone; the engine is asked about everybody."""
    if context.scenario.backend.traits.joins_by_phone:
        return _Statements(context, sample).verify
    return lambda people: _by_engine(context, people)


def _by_engine(context: RunContext, people: Sequence[Person]) -> dict[int, str]:
    """Those of whose payments the engine lists too few."""
    plan, contracts = payments_in(context), context.services.chain.contracts
    payers = [person for person in people if plan.made[person.id]]
    listed = context.services.custodial.account_transactions().of([person.account for person in payers], _ANSWER)
    problems: dict[int, str] = {}
    for person in payers:
        signed = listed[person.account]
        if isinstance(signed, Failed | Lost):
            problems[person.id] = NotKnown(f"not known: {signed}")
            continue
        own = [payment for payment in plan.made_by(person.id) if not payment.refused]
        payees = context.state.people_of(list({payment.payee for payment in own}))
        made = transfers_by(person.account, signed)
        there = [(one.payee, one.amount) for one in made if one.token == contracts.token.address]
        for payment in own:
            payee = payees.get(payment.payee)
            wanted = (payee.address if payee and payee.address else b"", units(plan, payment, contracts))
            if wanted not in there:
                problems[person.id] = (
                    f"the custodial engine's list of transactions lacks payment {payment.number}: {wanted[1]} base units to"
                    f" {to_hex(wanted[0])}"
                )
                break
            there.remove(wanted)
    return problems


class _Entry(NamedTuple):
    """A payment as the statement of one of the two has it."""

    sent: bool
    amount: float
    phone: str  #: of the other one

    def is_shown_by(self, line: StatementLine, symbol: str) -> bool:
        same = (line.sent, line.amount, line.symbol) == (self.sent, self.amount, symbol)
        return same and line.whom.endswith(self.phone)

    def __str__(self) -> str:
        return f"{self.amount:g} {'sent to' if self.sent else 'received from'} {self.phone}"


class _Statements:
    """Reads statements by phone."""

    def __init__(self, context: RunContext, sample: int) -> None:
        self._context = context
        self._sample = sample
        self._plan = payments_in(context)
        self._pins = pin_source(context.scenario, context.population, context.hashes)
        self._menus = PhoneMenus(context.services.ussd, context.stopping)
        self._circuit = CircuitBreaker(SILENT)

    def verify(self, people: Sequence[Person]) -> dict[int, str]:
        sampled = {person.id: person for person in people if not person.id % self._sample}
        entries: dict[int, list[_Entry]] = {person: [] for person in sampled}
        for payment in self._plan if sampled else ():
            for sent, mine, other in ((True, payment.payer, payment.payee), (False, payment.payee, payment.payer)):
                if mine in entries and not payment.refused:
                    phone = self._context.population.person(other).phone
                    entries[mine].append(_Entry(sent, float(payment.amount), phone))
        found = {person: self._problem(sampled[person], those) for person, those in entries.items() if those}
        return {person: problem for person, problem in found.items() if problem}

    def _problem(self, person: Person, entries: Sequence[_Entry]) -> str | None:
        pin = self._pins.pin(person)
        assert pin is not None  # the scenario's rules want one
        problem: str | None = None
        for seconds in _AGAIN:
            pause(seconds, self._context.stopping)
            if problem:
                self._await_tasker(person)
            if failure := self._circuit.open:
                return NotKnown(f"was not dialled: {failure.message}")
            try:
                lines = self._menus.statement(person.phone, pin)
            except UssdError as error:
                problem = f"{error.message}; {error.hint}" if error.hint else error.message
                if error.answered:
                    self._circuit.succeeded()
                else:
                    self._circuit.failed(error)
                    problem = NotKnown(problem)
                continue
            self._circuit.succeeded()
            problem = _compared(lines, entries, self._context.services.chain.contracts.token.symbol)
            if problem is None:
                break
        return problem

    def _await_tasker(self, person: Person) -> None:
        """Waits, but not for ever, while the tasker has tasks for a person before it, which may be their statement."""
        tasks, until = self._context.services.ussd_tasks, self._context.clock() + _LONGEST
        with suppress(UnavailableError):  # the statement alone then shows it
            while tasks and tasks.left([person.account]) and self._context.clock() < until:
                pause(_LOOK, self._context.stopping)


def _compared(lines: Sequence[StatementLine], entries: Sequence[_Entry], symbol: str) -> str | None:
    """What is wrong with a statement.

    One that has room for more has all entries; equal ones of one second are one line. In one that is full, each line is an
    entry: it may be there twice, since cic-ussd adds it again when it has learnt the name of the other one.
    """
    if len(lines) < _LINES:
        for entry in entries:
            if not any(entry.is_shown_by(line, symbol) for line in lines):
                return f"the statement by phone has {counted(len(lines), 'line')}, none of which is {entry}"
        return None
    for line in lines:
        if not any(entry.is_shown_by(line, symbol) for entry in entries):
            way = "sent" if line.sent else "received"
            return f"the statement by phone has {way} {line.amount:g} {line.symbol} {line.whom}, which is no payment of theirs"
    return None
