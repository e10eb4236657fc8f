"""Payments that a service is asked for: each is made, and none is asked for again while it may still come."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cicscenario.backends.work.paymentservice import Declined, Gone, HasTransaction, Order, Said, UnderWay
from cicscenario.capabilities.payments import PAYMENTS
from cicscenario.errors import StateRefusedError, UnavailableError
from cicscenario.payments.payment import Payment
from tests.support.payments_world import PaymentsWorld, account_that_pays, digest_of, payments_world

#: Person 0 pays three times, the first two times the same; 1 spends what 0 pays; 2 asks for too much, and is paid after that.
PLAN = [
    Payment(0, 0, 1, 20, 0),
    Payment(1, 0, 1, 20, 0),
    Payment(2, 1, 3, 130, 0),
    Payment(3, 2, 0, 101, 0, True),
    Payment(4, 3, 2, 7, 0),
    Payment(5, 0, 3, 1, 0),
]
NOTHING = UnderWay("it has no result yet")
Worlds = Callable[..., PaymentsWorld]


@pytest.fixture
def world_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worlds]:
    opened: list[Any] = []

    def make(payments: Sequence[Payment] = PLAN, size: int = 4) -> PaymentsWorld:
        opened.append(payments_world(tmp_path, monkeypatch, payments, size))
        world: PaymentsWorld = opened[-1].__enter__()
        return world

    yield make
    for one in opened:
        one.__exit__(None, None, None)


def asked(world: PaymentsWorld, number: int = 0) -> Order:
    """A run is killed when it has asked for the first payments; gives the request for one of them."""
    service = world.service()

    def killed(orders: Sequence[Order]) -> None:
        service.sent += orders
        raise UnavailableError("no answer")

    service.send = killed  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        world.run(service)
    return next(one for one in service.sent if one.payment.number == number)


def every(answer: Said) -> Callable[[Order], Said]:
    return lambda order: answer


def test_each_payment_is_asked_for_once_and_everybody_has_made_theirs(world_of: Worlds) -> None:
    world = world_of()
    service = world.service()
    outcomes = world.run(service)
    assert sorted(world.paid()) == sorted(world.wanted())
    assert sorted(service.numbers) == [0, 1, 2, 3, 4, 5]
    assert outcomes == {0: (True, "3 payments"), 1: (True, "1 payment"), 2: (True, "1 payment"), 3: (True, "1 payment")}
    assert sorted(world.rows()) == [*((n, "paid") for n in (0, 1, 2)), (3, "refused"), (4, "paid"), (5, "paid")]
    again = world.service()
    world.run(again)
    assert again.sent == [], "a second run has nothing to ask for"


def test_one_of_each_payer_is_under_way_and_what_depends_on_another_comes_after_it(world_of: Worlds) -> None:
    world = world_of()
    service = world.service()
    world.run(service)
    at = {number: place for place, number in enumerate(service.numbers)}
    assert at[0] < at[1] < at[5], "the order of a person's payments is kept"
    assert at[1] < at[2], "it spends what it was paid"
    assert at[3] < at[4], "it would not be refused after that"


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_are_under_way_than_the_service_allows(world_of: Worlds, most: int) -> None:
    world = world_of()
    service = world.service(most)
    seen = []
    carry_out = service.carry_out

    def counted(order: Order) -> None:
        seen.append(len(world.store.open_payments()))
        carry_out(order)

    service.carry_out = counted  # type: ignore[method-assign]
    world.run(service)
    assert max(seen) == most
    assert sorted(world.paid()) == sorted(world.wanted())


@pytest.mark.parametrize("rate", [0.005, 0.5, 4.0])
def test_each_is_asked_for_when_it_is_due(world_of: Worlds, rate: float) -> None:
    world = world_of()
    world.rate = rate
    service, times = world.service(), list[float]()
    carry_out = service.carry_out

    def timed(order: Order) -> None:
        times.append(world.now)
        carry_out(order)

    service.carry_out = timed  # type: ignore[method-assign]
    outcomes = world.run(service)
    assert all(ok for ok, _ in outcomes.values())
    assert all(at - times[0] >= number / rate - 1e-6 for number, at in enumerate(times))
    assert times[-1] - times[0] <= 5 / rate + 3, "and not much later, by the waits for the chain"


def test_a_long_wait_for_the_next_one_is_not_that_of_a_service_that_does_nothing(world_of: Worlds) -> None:
    world = world_of()
    world.rate = 0.005
    service, made = world.service(), set[str]()
    service.carry_out = lambda order: None  # type: ignore[method-assign]

    def later(order: Order) -> Said:
        if order.id not in made:
            made.add(order.id)
            world.chain.mine(order, ok=not order.payment.refused)
        return HasTransaction(digest_of(order.id))

    service.end = later  # type: ignore[method-assign]
    assert world.run(service) == dict.fromkeys((1, 2, 3), (True, "1 payment")) | {0: (True, "3 payments")}


# --- killed, and gone on with ---------------------------------------------------------------------------------------


def test_what_was_carried_out_before_the_run_was_killed_is_not_asked_for_again(world_of: Worlds) -> None:
    world = world_of()
    world.chain.mine(asked(world))
    service = world.service()
    service.end = every(Gone("nowhere"))  # type: ignore[method-assign]
    world.run(service)
    assert 0 not in service.numbers
    assert world.paid().count((account_that_pays(0), account_that_pays(1), 20)) == 2, "it has an equal one behind it"


def test_what_may_still_come_is_waited_for(world_of: Worlds) -> None:
    world = world_of(PLAN[:1])
    order = asked(world)
    service = world.service()

    def end(one: Order) -> Said:
        if world.waits == 30:
            world.chain.mine(order)
        return NOTHING

    service.end = end  # type: ignore[method-assign]
    assert world.run(service)[0] == (True, "1 payment")
    assert service.sent == []
    assert order.id in service.earlier


def test_what_was_never_taken_is_asked_for_again(world_of: Worlds) -> None:
    world = world_of(PLAN[:1])
    asked(world)
    service = world.service()
    service.end = every(Gone("nowhere"))  # type: ignore[method-assign]
    world.run(service)
    assert service.numbers == [0]
    assert world.paid() == world.wanted()
    assert world.rows() == [(0, "failed"), (0, "paid")]


def test_what_the_state_has_lost_is_counted_on_the_chain(world_of: Worlds) -> None:
    """Of two equal payments the chain has one, and the state knows of none."""
    world = world_of()
    world.chain.mine(Order("of another state", PLAN[0], account_that_pays(0), account_that_pays(1), 20_000_000))
    service = world.service()
    world.run(service)
    assert sorted(service.numbers) == [1, 2, 3, 4, 5]
    assert sorted(world.paid()) == sorted(world.wanted())


def test_a_payment_that_the_chain_has_before_it_was_asked_for_is_not_asked_for(world_of: Worlds) -> None:
    """A request that is carried out twice makes an equal payment that comes later."""
    world = world_of()
    service = lost_once(world, made=True)
    take = service.carry_out

    def twice(order: Order) -> None:
        take(order)
        if order.payment.number == 0:
            world.chain.blocks[0].append((order, b"2" * 32, True))

    service.carry_out = twice
    world.run(service)
    assert sorted(service.numbers) == [0, 2, 3, 4, 5]
    assert sorted(world.paid()) == sorted(world.wanted())


def test_payments_that_are_planned_otherwise_are_not_asked_for(world_of: Worlds) -> None:
    world = world_of()
    world.store.set_meta({PAYMENTS: "4 another"})
    service = world.service()
    with pytest.raises(StateRefusedError):
        world.run(service)
    assert service.sent == []


# --- lost by the service --------------------------------------------------------------------------------------------


def lost_once(world: PaymentsWorld, *, made: bool, end: Said = Gone("nowhere")) -> Any:  # noqa: B008 -- it is frozen
    """A service that loses the first request; ``made``: after it has sent the transaction, whose log nobody has read."""
    service = world.service()
    carry_out = service.carry_out

    def lose(order: Order) -> None:
        if order.id != "request 1":
            carry_out(order)
        elif made:
            world.chain.blocks[0].append((order, digest_of(order.id), True))  # in a block that was read before

    service.carry_out = lose  # type: ignore[method-assign]
    service.end = lambda order: end if order.id == "request 1" else HasTransaction(digest_of(order.id))  # type: ignore[method-assign]
    return service


def test_a_request_of_which_nothing_is_left_is_sent_again(world_of: Worlds) -> None:
    world = world_of(PLAN[:1])
    service = lost_once(world, made=False)
    assert world.run(service)[0] == (True, "1 payment")
    assert service.numbers == [0, 0]
    assert world.paid() == world.wanted()


def test_it_is_not_when_the_chain_has_the_payment(world_of: Worlds) -> None:
    world = world_of(PLAN[:1])
    service = lost_once(world, made=True)
    assert world.run(service)[0] == (True, "1 payment")
    assert service.numbers == [0]
    assert world.paid() == world.wanted()


def test_it_is_not_while_the_payer_has_something_with_the_node(world_of: Worlds) -> None:
    world = world_of(PLAN[:1])
    world.chain.pending.add(account_that_pays(0))
    service = lost_once(world, made=False)
    ok, why = world.run(service)[0]
    assert not ok
    assert "nothing has moved for" in str(why)
    assert service.numbers == [0]
    assert world.rows() == [(0, "asked")]


def test_it_is_not_when_its_transaction_is_known(world_of: Worlds) -> None:
    """The run that was told of it ends before it has seen what becomes of it."""
    world = world_of(PLAN[:1])
    service = lost_once(world, made=False)
    answers = iter([HasTransaction(digest_of("request 1"))])

    def end(order: Order) -> Said:
        if answer := next(answers, None):
            return answer
        raise UnavailableError("no answer")

    service.end = end
    with pytest.raises(UnavailableError):
        world.run(service)
    later = world.service()
    later.end = every(Gone("its results have expired"))  # type: ignore[method-assign]
    assert not world.run(later)[0][0]
    assert [*service.numbers, *later.numbers] == [0]


def test_a_request_that_is_lost_again_is_not_sent_a_third_time_in_the_same_run(world_of: Worlds) -> None:
    world = world_of(PLAN[:1])
    service = world.service()
    service.carry_out = lambda order: None  # type: ignore[method-assign]
    service.end = every(Gone("nowhere"))  # type: ignore[method-assign]
    assert not world.run(service)[0][0]
    assert service.numbers == [0, 0]


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_transaction_that_failed_fails_the_payer_and_who_waits_and_the_next_run_pays(world_of: Worlds) -> None:
    world = world_of()
    service = world.service()
    service.carry_out = lambda one: world.chain.mine(one, ok=one.payment.number not in (0, 3))  # type: ignore[method-assign]
    outcomes = world.run(service)
    assert "its transaction 0x" in str(outcomes[0][1])
    assert outcomes[1] == (False, "payment 2 waits for tokens of a payment that failed")
    assert outcomes[2][0]
    assert outcomes[3][0]
    assert sorted(service.numbers) == [0, 3, 4], "nothing of a payer after one that failed"
    world.run(world.service())
    assert sorted(world.paid()) == sorted(world.wanted())


def test_a_service_that_declines_all_is_not_asked_for_more(world_of: Worlds) -> None:
    world = world_of()
    service = world.service(most=1)
    service.carry_out = lambda one: None  # type: ignore[method-assign]
    service.end = every(Declined("it is locked", stops=True))  # type: ignore[method-assign]
    outcomes = world.run(service)
    assert service.numbers == [0]
    assert outcomes[0] == (False, "payment 0: it is locked")
    assert outcomes[3] == (False, "payment 4 was not asked for: it is locked")
    world.run(world.service())
    assert sorted(world.paid()) == sorted(world.wanted())


def test_a_service_that_is_not_well_is_not_asked(world_of: Worlds) -> None:
    world = world_of()
    service = world.service()
    service.trouble = "it cannot reach its signer"
    outcomes = world.run(service)
    assert service.sent == []
    assert outcomes[0] == (False, "payment 0 was not asked for: it cannot reach its signer")
    assert not any(ok for ok, _ in outcomes.values())


def test_a_service_that_refuses_what_is_to_be_refused_does_right(world_of: Worlds) -> None:
    world = world_of(PLAN[3:4])
    service = world.service()
    service.carry_out = lambda one: None  # type: ignore[method-assign]
    service.end = every(Declined("you have not enough", refused=True))  # type: ignore[method-assign]
    assert world.run(service)[2] == (True, "1 payment")
    assert world.rows() == [(3, "refused")]


def test_one_that_should_have_been_refused_and_was_carried_out_is_told(world_of: Worlds) -> None:
    world = world_of(PLAN[3:4])
    service = world.service()
    service.carry_out = lambda one: world.chain.mine(one)  # type: ignore[method-assign]
    ok, why = world.run(service)[2]
    assert not ok
    assert "was not refused" in str(why)


def test_what_a_chain_that_went_back_has_lost_is_open_again_or_asked_for_again(world_of: Worlds) -> None:
    world = world_of(PLAN[:2])
    world.run(world.service())
    (_, (first,), (second,)) = world.chain.blocks
    world.chain.blocks = [[], [(*first[:2], False)]]  # the first has failed on the other branch, the second waits
    service = world.service()

    def end(order: Order) -> Said:
        if order.id == "request 2":
            world.chain.blocks.append([second])
        return HasTransaction(digest_of(order.id))

    service.end = end  # type: ignore[method-assign]
    world.run(service)
    assert service.numbers == [0]
    assert sorted(world.paid()) == sorted(world.wanted())


def test_a_service_that_stands_still_is_given_up_and_the_next_run_waits_for_it(world_of: Worlds) -> None:
    world = world_of(PLAN[:2])
    service = world.service()
    service.carry_out = lambda one: None  # type: ignore[method-assign]
    service.end = every(NOTHING)  # type: ignore[method-assign]
    began = world.now
    ok, why = world.run(service)[0]
    assert not ok
    assert "it has no result yet" in str(why)
    assert 60 <= world.now - began < 70
    later = world.service()
    later.end = service.end  # type: ignore[method-assign]
    assert not world.run(later)[0][0]
    assert [*service.numbers, *later.numbers] == [0]
