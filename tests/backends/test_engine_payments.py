"""What the custodial engine is asked to pay, and how its results are read."""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.backends.work.enginepayments import EnginePayments
from cicscenario.backends.work.paymentservice import Declined, Gone, HasTransaction, Order, UnderWay
from cicscenario.errors import StepFailedError
from cicscenario.payments.payment import Payment
from cicscenario.people.person import checksum
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.outcome import Failed, Lost, Trace, Transferred
from cicscenario.services.custodial.transfers import TransferOutcome, TransferRequest
from tests.support.payments_world import PAID_TOKEN

UNSIGNED = Failed(
    tasks.TRANSFER, "SignerError", "x", "the engine cannot reach its signer", "is it running?", unsigned=True
)
ODD = Failed(tasks.TRANSFER, "ValueError", "x", "the custodial engine failed")
LOCKED = Failed(tasks.CHECK_LOCK, "LockedError", "16", "it is locked")
NOWHERE = Lost(Trace.RUNNING, "nowhere")


class _Engine:
    def __init__(self) -> None:
        self.ends: dict[str, TransferOutcome] = {}
        self.trouble: str | None = None
        self.asked = 0
        self.token = PAID_TOKEN.address
        self.locks: list[int] = []  # the flags of which it was asked whether they are set for all accounts
        self.open = False
        self.submitted: list[TransferRequest] = []

    def transfers(self) -> Any:
        return SimpleNamespace(
            outcomes=lambda ids: {one: self.ends[one] for one in ids}, submit=lambda those: self.submitted.extend(those)
        )

    def unwell(self, timeout: float = 5) -> str | None:
        self.asked += 1
        return self.trouble

    def is_open(self, flag: int, timeout: float = 5) -> bool:
        self.locks.append(flag)
        return self.open

    def token_address(self, symbol: str) -> bytes:
        assert symbol == "GFT"
        return self.token


class _World:
    def __init__(self) -> None:
        self.engine, self.now = _Engine(), 1000.0
        contracts = SimpleNamespace(token=PAID_TOKEN)
        services = SimpleNamespace(custodial=self.engine, chain=SimpleNamespace(contracts=contracts), spec="evm:a:1:b")
        context: Any = SimpleNamespace(services=services, clock=lambda: self.now)
        self.payments = EnginePayments(context, 7, [], lambda: "; the nonces", 60.0)

    def look(self, ends: Mapping[str, TransferOutcome]) -> dict[str, Any]:
        self.engine.ends = dict(ends)
        return dict(self.payments.look([order(name) for name in ends]))


def order(name: str) -> Order:
    return Order(name, Payment(0, 0, 1, 5, 0), b"\x0a" * 20, b"\x0b" * 20, 5_000_000)


@pytest.fixture
def world() -> _World:
    return _World()


def test_it_is_asked_for_the_token_of_the_gifts_by_its_symbol(world: _World) -> None:
    orders: Sequence[Order] = [order("a"), order("b")]
    world.payments.send(orders)
    assert world.engine.submitted == [
        TransferRequest(one, b"\x0a" * 20, b"\x0b" * 20, 5_000_000, "GFT") for one in ("a", "b")
    ]
    assert world.payments.most == 7
    assert world.payments.shown() == "; the nonces"
    assert len({world.payments.new_id(orders[0].payment) for _ in range(9)}) == 9


def test_its_results_are_what_is_known(world: _World) -> None:
    assert world.look({"a": Transferred(b"h" * 32), "b": ODD, "c": Lost(Trace.QUEUED, "it waits")}) == {
        "a": HasTransaction(b"h" * 32),
        "b": Declined(str(ODD)),
        "c": UnderWay("it waits"),
    }


@pytest.mark.parametrize("failed", [UNSIGNED, LOCKED])
def test_a_failure_that_others_would_have_too_stops_them(world: _World, failed: Failed) -> None:
    """A transfer that cannot be signed leaves a nonce of the payer unused."""
    (found,) = world.look({"a": failed}).values()
    assert found == Declined(failed.advised, stops=True)


def test_a_lock_of_one_account_stops_its_own_payments_only(world: _World) -> None:
    world.engine.open = True
    found = world.look({"a": LOCKED, "b": Transferred(b"h" * 32), "c": LOCKED, "d": UNSIGNED})
    payer = checksum(b"\x0a" * 20)
    why = (
        f"in the custodial engine the account {payer} is locked by QUEUE ({tasks.CHECK_LOCK}: LockedError: 16);"
        f" unlock it there with `cic-eth-ctl -i evm:a:1:b unlock QUEUE {payer}`"
    )
    assert found["a"] == found["c"] == Declined(why)
    assert found["b"] == HasTransaction(b"h" * 32)
    assert found["d"] == Declined(UNSIGNED.advised, stops=True)
    assert world.engine.locks == [tasks.QUEUE_LOCK], "asked once for all of them"


def test_the_engine_is_not_asked_for_locks_unless_one_is_in_the_way(world: _World) -> None:
    world.look({"a": ODD, "b": UNSIGNED, "c": NOWHERE})
    assert not world.engine.locks


def test_what_is_nowhere_is_gone_only_when_the_engine_has_answered_others_for_a_while(world: _World) -> None:
    ends = {"a": NOWHERE}
    for _ in range(9):
        assert world.look(ends) == {"a": UnderWay("nowhere")}
        world.now += 1.0
    world.engine.trouble = "paused"
    world.now += 2.0
    assert world.look(ends) == {"a": UnderWay("nowhere")}
    world.engine.trouble = None
    for _ in range(11):
        world.now += 1.0
        found = world.look(ends)
    assert found == {"a": Gone("nowhere")}


def test_what_an_earlier_run_has_asked_for_has_been_nowhere_for_long_enough(world: _World) -> None:
    world.payments.began_earlier(["a"])
    world.look({"a": NOWHERE})
    for _ in range(10):
        world.now += 1.0
        found = world.look({"a": NOWHERE, "b": NOWHERE})
    assert found["a"] == Gone("nowhere")


def test_it_is_asked_whether_it_can_sign_now_and_then(world: _World) -> None:
    answers: list[str | None] = []
    ask: Callable[[], str | None] = world.payments.unwell
    answers.append(ask())
    world.engine.trouble = "it cannot reach its signer"
    answers.append(ask())
    world.now += 6.0
    answers += [ask(), ask()]
    assert answers == [None, None, "it cannot reach its signer", "it cannot reach its signer"]
    assert world.engine.asked == 3


def test_after_a_failure_it_is_asked_at_once(world: _World) -> None:
    assert world.payments.unwell() is None
    world.look({"a": UNSIGNED})
    world.engine.trouble = "it cannot reach its signer"
    assert world.payments.unwell() == "it cannot reach its signer"


def test_an_engine_that_would_transfer_another_token_is_asked_for_nothing(world: _World) -> None:
    world.engine.token = b"\x71" * 20
    with pytest.raises(StepFailedError, match="for the symbol GFT the custodial engine transfers the token 0x7171"):
        world.payments.unwell()
