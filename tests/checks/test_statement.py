"""A statement, by phone or by the custodial engine, has a person's payments, or says which one it lacks."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.check import NotKnown
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import TRANSFER, Token
from cicscenario.chain.signer import Signer
from cicscenario.checks.statement import CHECK
from cicscenario.checks.work import statement
from cicscenario.payments.payment import Payment
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import Lost, Trace
from cicscenario.services.ussd import UssdError
from cicscenario.services.ussd_menus import StatementLine

TOKEN = Token(b"\x70" * 20, "GFT", 6, None)
SIGNER = Signer(b"\1" * 32, 8996)
PAYMENTS = [Payment(0, 0, 1, 5, 0, False), Payment(1, 2, 0, 7, 0, False), Payment(2, 0, 2, 900, 0, True)]
SILENT = UssdError("nobody answers", taken=False, answered=False)


def person(number: int) -> Person:
    return Person(number, "{}", f"+25471100{number:04d}", "sw", (), b"", 1, bytes([number + 1] * 20))


class Plan:
    all_gifts, size = 0, 3

    def __init__(self, payments: Sequence[Payment]) -> None:
        self._payments = payments
        self.made = [len(self.made_by(number)) for number in range(self.size)]

    def __iter__(self) -> Any:
        return iter(self._payments)

    def made_by(self, person: int) -> list[Payment]:
        return [one for one in self._payments if one.payer == person]


class World:
    """Statements by phone, one for each time that one is read, and what the engine lists."""

    def __init__(self, *statements: list[StatementLine] | UssdError, by_phone: bool = True) -> None:
        self.statements = list(statements)
        self.read: list[tuple[str, str]] = []
        self.waited: list[float] = []
        self.listed: dict[bytes, Any] = {}
        traits = SimpleNamespace(joins_by_phone=by_phone)
        self.now = 0.0
        self.tasks_until = 0.0  # until when the tasker has tasks for everybody
        services = SimpleNamespace(
            ussd_tasks=self,
            ussd=self,
            custodial=self,
            chain=SimpleNamespace(contracts=SimpleNamespace(token=TOKEN, faucet=None)),
        )
        self.context: Any = SimpleNamespace(
            scenario=SimpleNamespace(backend=SimpleNamespace(traits=traits)), services=services, population=self,
            hashes=None, stopping=self, state=self, clock=lambda: self.now,
        )  # fmt: skip

    person = staticmethod(person)

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.now += seconds
        return False

    def left(self, accounts: Sequence[bytes]) -> dict[bytes, str]:
        return dict.fromkeys(accounts, "statement_callback waits") if self.now < self.tasks_until else {}

    def statement(self, phone: str, pin: str) -> list[StatementLine]:
        self.read.append((phone, pin))
        found = self.statements.pop(0) if len(self.statements) > 1 else self.statements[0]
        if isinstance(found, UssdError):
            raise found
        return found

    def account_transactions(self) -> "World":
        return self

    def of(self, accounts: Sequence[bytes], timeout: float) -> dict[bytes, Any]:
        return {one: self.listed.get(one, {}) for one in accounts}

    def people_of(self, ids: Sequence[int]) -> dict[int, Person]:
        return {number: person(number) for number in ids}


def line(*, sent: bool, amount: float, whom: int, symbol: str = "GFT", name: str = "Amina") -> StatementLine:
    return StatementLine(sent, amount, symbol, f"To {name} {person(whom).phone}")


SENT, GOT = line(sent=True, amount=5.0, whom=1), line(sent=False, amount=7.0, whom=2)


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "payments_in", lambda context: Plan(PAYMENTS))
    monkeypatch.setattr(statement, "pin_source", lambda *_: SimpleNamespace(pin=lambda who: f"{who.id:04d}"))
    monkeypatch.setattr(statement, "PhoneMenus", lambda ussd, stopping: ussd)


def problems(world: World, *people: int, sample: int = 1) -> dict[int, str]:
    return statement.verifier(world.context, sample)([person(number) for number in people])


def test_a_statement_that_has_what_was_paid_and_received_is_right_and_a_refused_one_is_not_expected() -> None:
    world = World([GOT, SENT])
    assert problems(world, 0) == {}
    assert world.read == [("+254711000000", "0000")]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [GOT],
        [SENT],
        [GOT, line(sent=False, amount=5.0, whom=1)],
        [GOT, line(sent=True, amount=6.0, whom=1)],
        [GOT, line(sent=True, amount=5.0, whom=2)],
        [GOT, line(sent=True, amount=5.0, whom=1, symbol="OLD")],
    ],
)
def test_a_statement_that_lacks_one_is_read_again_and_then_wrong(lines: list[StatementLine]) -> None:
    """A dial asks for it, and cic-ussd's tasker brings it a moment later."""
    world = World(lines)
    (problem,) = problems(world, 0).values()
    assert "none of which is" in problem
    assert len(world.read) == len(world.waited) + 1 == 4


def test_one_that_comes_late_is_right() -> None:
    assert problems(World([], [GOT], [SENT, GOT]), 0) == {}


def test_a_statement_whose_tasks_wait_for_the_tasker_is_waited_for_without_more_dials() -> None:
    """Each dial gives it another task."""
    world = World([], [SENT, GOT])
    world.tasks_until = 60.0
    assert problems(world, 0) == {}
    assert len(world.read) == 2
    assert world.now >= 60.0


def test_a_full_statement_may_have_any_of_theirs_twice_and_nothing_else() -> None:
    """cic-ussd adds an entry again when it has learnt the name of the other one."""
    again = line(sent=True, amount=5.0, whom=1, name="")
    assert problems(World([SENT, again] * 4 + [SENT]), 0) == {}
    (problem,) = problems(World([SENT] * 8 + [line(sent=True, amount=6.0, whom=1)]), 0).values()
    assert "no payment of theirs" in problem


def test_only_a_sample_reads_the_statement_and_the_thorough_check_asks_everybody() -> None:
    world = World([SENT, GOT])
    problems(world, 0, 1, 2, sample=10)
    assert [phone for phone, _ in world.read] == ["+254711000000"]
    assert CHECK.thorough is not None


def test_an_interface_that_answers_nobody_is_given_up_and_nothing_is_known() -> None:
    world = World(SILENT)
    found = problems(world, 0, 1, 2)
    assert {type(one) for one in found.values()} == {NotKnown}
    assert len(world.read) <= 4


def transfer(payee: int, units: int, token: bytes = TOKEN.address) -> dict[bytes, bytes]:
    data = pack(TRANSFER, person(payee).account, units)
    signed = SIGNER.sign(nonce=0, gas_price=1, gas=1, to=token, value=0, data=data)
    return {signed.hash: signed.raw}


@pytest.mark.parametrize(
    ("listed", "right"),
    [
        (transfer(1, 5_000_000), True),
        (transfer(2, 1) | transfer(1, 5_000_000), True),
        ({}, False),
        (transfer(2, 5_000_000), False),
        (transfer(1, 5_000_001), False),
        (transfer(1, 5_000_000, b"\5" * 20), False),
    ],
)
def test_the_engine_s_list_has_each_payment_with_payee_and_amount(listed: dict[bytes, bytes], right: bool) -> None:
    world = World([], by_phone=False)
    world.listed = {person(0).account: listed, person(2).account: transfer(0, 7_000_000)}
    found = problems(world, 0, 1, 2)
    assert (found == {}) is right
    assert right or "lacks payment 0" in found[0]


def test_equal_payments_are_counted_in_the_engine_s_list(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [Payment(0, 0, 1, 5, 0, False), Payment(1, 0, 1, 5, 0, False)]
    monkeypatch.setattr(statement, "payments_in", lambda context: Plan(twice))
    world = World([], by_phone=False)
    world.listed = {person(0).account: transfer(1, 5_000_000)}
    assert "lacks payment 1" in problems(world, 0)[0]


def test_an_engine_that_does_not_answer_says_nothing_of_anybody() -> None:
    world = World([], by_phone=False)
    world.listed = dict.fromkeys([person(0).account, person(2).account], Lost(Trace.QUEUED, "no worker"))
    assert {type(one) for one in problems(world, 0, 2).values()} == {NotKnown}
