"""A payment by phone is dialled once, and again only when neither the engine nor its queue has anything of it."""

from collections.abc import Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.backends.work import phonepayments
from cicscenario.backends.work.paymentservice import Declined, Gone, HasTransaction, Order, UnderWay
from cicscenario.backends.work.phonepayments import PhonePayments, phone_units
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import TRANSFER, Token
from cicscenario.chain.signer import Signer
from cicscenario.errors import InvalidError
from cicscenario.payments.payment import Payment
from cicscenario.people.person import Person
from cicscenario.services.custodial.outcome import Lost, Trace
from cicscenario.services.ussd import UssdError
from cicscenario.services.ussd_menus import Paying
from cicscenario.state.rows import PaymentRow
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

TOKEN = Token(b"\x70" * 20, "GFT", 6, None)
SIGNER = Signer(b"\1" * 32, 8996)
PATIENCE, GRACE = 40.0, 10.0  # seconds; the second in which the engine must have answered others
NO_ANSWER = UssdError("nobody answers", taken=False, answered=False)
IN_DOUBT = UssdError("closed the connection", taken=None, answered=False)
BLOCKED = UssdError("the PIN is blocked", taken=False)


def person(number: int) -> Person:
    return Person(number, "{}", f"+25471100{number:04d}", "sw", (), b"", 1, bytes([number + 1] * 20))


class Stack:
    """Phones that say what a test says, an engine with its tables and queue, and a clock."""

    def __init__(self, *, sees_engine: bool = True) -> None:
        self.now = 1000.0
        self.says: list[Paying | UssdError] = []  # what dials end with, before they end well
        self.dialled: list[tuple[str, str, str, int]] = []
        self.made: dict[bytes, dict[bytes, bytes]] = {}
        self.queued: set[bytes] = set()
        self.rows: list[PaymentRow] = []
        self.silent: str | None = None  # why the engine does not answer
        self.away: UssdError | None = None  # why the phone interface does not answer
        self.stopped = False
        services = SimpleNamespace(
            ussd=self, custodial=self, chain=SimpleNamespace(contracts=SimpleNamespace(token=TOKEN)),
            environment=SimpleNamespace(custodial=object() if sees_engine else None),
        )  # fmt: skip
        self.context: Any = SimpleNamespace(
            services=services, clock=lambda: self.now, stopping=self, population=self, hashes=None, state=self,
            scenario=None,
        )  # fmt: skip

    # stopping
    def is_set(self) -> bool:
        return self.stopped

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.stopped

    # people and their PINs
    person = staticmethod(person)
    # the phone interface
    requests, repeats_itself, address = 0, False, "http://phone"

    def check(self) -> None:
        if self.away:
            raise self.away

    def pay(self, phone: str, pin: str, payee: str, amount: int, symbol: str) -> Paying:
        assert symbol == "GFT"
        self.dialled.append((phone, pin, payee, amount))
        said = self.says.pop(0) if self.says else Paying.SENT
        if isinstance(said, UssdError):
            raise said
        return said

    # the engine
    def unwell(self, timeout: float = 5) -> str | None:
        return self.silent

    def account_transactions(self) -> "Stack":
        return self

    def waiting(self, accounts: Collection[bytes]) -> set[bytes]:
        return self.queued & set(accounts)

    def of(self, accounts: Sequence[bytes], timeout: float) -> dict[bytes, Any]:
        if self.silent:
            return {one: Lost(Trace.QUEUED, self.silent) for one in accounts}
        return {one: self.made.get(one, {}) for one in accounts}

    # the state
    def payments_by(self, people: Sequence[int]) -> dict[int, list[PaymentRow]]:
        return {who: [row for row in self.rows if row.person == who] for who in people}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    return patched(monkeypatch, Stack())


def patched(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Stack:
    monkeypatch.setattr(phonepayments, "PhoneMenus", lambda ussd, stopping: stack)
    monkeypatch.setattr(phonepayments, "pin_source", lambda *_: SimpleNamespace(pin=lambda who: f"{who.id:04d}"))
    return stack


def phones(stack: Stack) -> PhonePayments:
    return PhonePayments(stack.context, [], PATIENCE)


def order(number: int = 1, *, whole: int = 5, refused: bool = False, units: int | None = None) -> Order:
    payment = Payment(number, 1, 2, whole, 0, refused)
    return Order(f"request {number}", payment, b"\2" * 20, b"\3" * 20, units or TOKEN.base_units(whole))


def transfer(
    digest: bytes, one: Order, *, token: bytes = TOKEN.address, payee: bytes | None = None, amount: int | None = None
) -> dict[bytes, bytes]:
    """A signed transfer, as the engine lists it."""
    data = pack(TRANSFER, payee or one.payee, amount or one.units)
    return {digest: SIGNER.sign(nonce=0, gas_price=1, gas=1, to=token, value=0, data=data).raw}


def said(service: PhonePayments, one: Order) -> Any:
    return service.look([one])[one.id]


def test_the_payer_dials_with_their_pin_the_payee_s_number_and_whole_tokens(stack: Stack) -> None:
    phones(stack).send([order()])
    assert stack.dialled == [("+254711000001", "0001", "+254711000002", 5)]


def test_what_is_to_be_refused_is_rounded_up_to_whole_tokens_and_the_phone_s_refusal_is_the_end(stack: Stack) -> None:
    stack.says = [Paying.NOT_ENOUGH]
    service, one = phones(stack), order(refused=True, units=7_000_001)
    service.send([one])
    assert stack.dialled[0][3] == 8
    end = said(service, one)
    assert (type(end), end.refused) == (Declined, True)


def test_who_is_told_too_early_that_the_balance_does_not_suffice_tries_again(stack: Stack) -> None:
    """cic-ussd takes off what the engine sends for the payer until the engine has seen that it is mined."""
    stack.says = [Paying.NOT_ENOUGH, Paying.NOT_ENOUGH]
    service, one = phones(stack), order()
    service.send([one])
    assert isinstance(said(service, one), UnderWay)
    service.look([one])
    assert len(stack.dialled) == 3
    service.look([one])
    assert len(stack.dialled) == 3


def test_who_is_told_so_again_and_again_has_failed(stack: Stack) -> None:
    stack.says = [Paying.NOT_ENOUGH] * 50
    service, one = phones(stack), order()
    service.send([one])
    ends = [said(service, one) for _ in range(20)]
    assert (type(ends[-1]), ends[-1].refused) == (Declined, False)
    assert len(stack.dialled) < 10


def test_an_amount_that_cic_ussd_would_round_is_not_typed(stack: Stack) -> None:
    service, one = phones(stack), order(whole=2**53 + 1)
    service.send([one])
    assert stack.dialled == []
    assert "rounds" in said(service, one).why


@pytest.mark.parametrize(("whole", "exact"), [(1, True), (2_000, True), (123_456, True), (2**53 + 1, False)])
def test_base_units_are_counted_as_cic_ussd_does(whole: int, exact: bool) -> None:
    assert (phone_units(whole, 6) == whole * 10**6) is exact


def test_nobody_answers_and_it_is_tried_again_and_then_nobody_else_is_dialled(stack: Stack) -> None:
    stack.says = [NO_ANSWER] * 50
    service, one = phones(stack), order()
    service.send([one])
    end = said(service, one)
    assert (type(end), end.stops) == (Declined, True)
    assert service.unwell() == "nobody answers"
    assert len(stack.dialled) <= 5


def test_a_refusal_of_one_person_stops_nobody_else(stack: Stack) -> None:
    stack.says = [BLOCKED]
    service, one = phones(stack), order()
    service.send([one])
    assert (said(service, one), service.unwell()) == (Declined(BLOCKED.message), None)
    assert len(stack.dialled) == 1


def test_after_an_unknown_answer_to_the_pin_nothing_is_dialled_again(stack: Stack) -> None:
    stack.says = [IN_DOUBT]
    service, one = phones(stack), order()
    service.send([one])
    assert isinstance(said(service, one), UnderWay)
    assert len(stack.dialled) == 1


def test_a_run_that_is_stopped_dials_no_more(stack: Stack) -> None:
    stack.stopped = True
    phones(stack).send([order()])
    assert stack.dialled == []


def test_while_the_engine_cannot_sign_nothing_is_dialled(stack: Stack) -> None:
    stack.silent = "the signer is down"
    assert phones(stack).unwell() == "the signer is down"


# --- what the engine has of a payment -----------------------------------------------------------------------------------


def gone_after(stack: Stack, service: PhonePayments, one: Order, *, most: float = 100.0) -> float | None:
    """Seconds until a payment counts as gone, with a look each second; None if it never does."""
    began = stack.now
    while stack.now - began <= most:
        if isinstance(said(service, one), Gone):
            return stack.now - began
        stack.now += 1.0
    return None


def test_the_engine_s_transfer_to_the_payee_of_the_amount_is_the_payment(stack: Stack) -> None:
    service, one = phones(stack), order()
    service.send([one])
    stack.made[one.payer] = transfer(b"payee", one, payee=b"\4" * 20) | transfer(b"more", one, amount=one.units + 1)
    stack.made[one.payer] |= transfer(b"token", one, token=b"\5" * 20) | transfer(b"mine", one)
    assert said(service, one) == HasTransaction(b"mine")


def test_a_transfer_of_another_payment_or_of_an_earlier_attempt_is_not_this_one(stack: Stack) -> None:
    service, one = phones(stack), order(2)
    stack.made[one.payer] = transfer(b"first", one) | transfer(b"failed", one)
    stack.rows = [PaymentRow("a", 1, 1, "paid", b"first"), PaymentRow("b", 2, 1, "failed", b"failed")]
    assert isinstance(said(service, one), UnderWay)


def test_what_the_engine_has_nothing_of_is_gone_when_it_has_answered_others_for_long_enough(stack: Stack) -> None:
    service, one = phones(stack), order()
    seconds = gone_after(stack, service, one)
    assert seconds is not None
    assert GRACE <= seconds <= GRACE + 2


@pytest.mark.parametrize("trouble", ["queue", "engine", "phone"])
def test_it_is_never_gone_while_it_may_be_under_way(stack: Stack, trouble: str) -> None:
    service, one = phones(stack), order()
    service.began_earlier([one.id])
    if trouble == "queue":
        stack.queued = {one.payer}
    elif trouble == "engine":
        stack.silent = "no worker takes tasks"
    else:  # it handles one request at a time: that of the earlier run may still be in it
        stack.away = UssdError("does not answer", taken=False, answered=False)
    assert gone_after(stack, service, one) is None


def test_where_the_engine_cannot_be_asked_only_an_earlier_run_s_payment_is_gone_and_not_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = patched(monkeypatch, Stack(sees_engine=False))
    service, one, earlier = phones(stack), order(1), order(2)
    service.began_earlier([earlier.id])
    assert gone_after(stack, service, earlier) == PATIENCE / 2
    assert gone_after(stack, service, one) is None
    assert "add `custodial`" in said(service, one).why


def test_payments_need_pins_that_somebody_knows(tmp_path: Path) -> None:
    """The other rules are among the mistakes of ``tests/language``; this one needs people from a table."""
    (tmp_path / "people.csv").write_text(
        "phone,first name,last name\n+254711000001,Amina,Otieno\n+254711000002,Joy,Auma\n"
    )
    (tmp_path / "pins.csv").write_text("")
    keys = {"pins": "{scheme: bcrypt, from: pins.csv}", "ussd_data": "true", "traffic": "{payments: 3}"}
    keys |= {"population": "{from: people.csv}", "gift": "{threshold: 5}", "backend": "cic_ussd"}
    with pytest.raises(InvalidError) as caught:
        load_scenario(written(tmp_path, **keys))
    assert "PINs that nobody knows" in str(caught.value)
