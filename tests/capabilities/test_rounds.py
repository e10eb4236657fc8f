"""Payments are grouped so that those of one round may be carried out in any order, and all of them come about."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from cicscenario.capabilities.rounds import Rounds
from cicscenario.payments.payment import Payment
from cicscenario.payments.planner import plan_payments
from cicscenario.payments.spec import PaymentsSpec

GIFTS = [7, 0, 12, 30, 1, 0, 5, 40]


def nothing_before(payments: Sequence[Payment]) -> set[int]:
    return set()


def planned(number: int, seed: int = 1, overdrafts: float = 0.1) -> list[Payment]:
    spec = PaymentsSpec(number, overdrafts=overdrafts)
    return list(plan_payments(spec, seed, [0] * len(GIFTS), GIFTS, 1))


def carried_out(rounds: Rounds, draw: random.Random, order: list[Payment]) -> list[int]:
    """Each round in an order of the node's own, as a token does it; a payer's in theirs. Gives the balances at the end."""
    balances = list(GIFTS)
    while ready := rounds.next_round():
        for payment in shuffled(ready, draw):
            enough = balances[payment.payer] >= payment.amount
            assert enough != payment.refused, f"{payment} in this order"
            if enough:
                balances[payment.payer] -= payment.amount
                balances[payment.payee] += payment.amount
            rounds.paid(payment)
            order.append(payment)
    return balances


def shuffled(payments: Sequence[Payment], draw: random.Random) -> list[Payment]:
    """In any order but for those of one payer, whose nonces decide."""
    left: dict[int, list[Payment]] = {}
    for payment in payments:
        left.setdefault(payment.payer, []).append(payment)
    found = []
    while left:
        payer = draw.choice(list(left))
        found.append(left[payer].pop(0))
        if not left[payer]:
            del left[payer]
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("ahead", "at_once"), [(5000, 1000), (10, 3), (1, 1)])
def test_in_any_order_of_a_round_each_is_carried_out_or_refused_as_it_should_be(
    seed: int, ahead: int, at_once: int
) -> None:
    payments, order = planned(120, seed), list[Payment]()
    rounds = Rounds(payments, GIFTS, nothing_before, ahead=ahead, at_once=at_once)
    balances = carried_out(rounds, random.Random(seed), order)
    assert sorted(order) == payments
    expected = list(GIFTS)
    for payment in payments:
        if not payment.refused:
            expected[payment.payer] -= payment.amount
            expected[payment.payee] += payment.amount
    assert balances == expected
    assert rounds.waiting == []


@pytest.mark.parametrize("seed", range(5))
def test_payments_of_one_person_keep_their_order(seed: int) -> None:
    order = list[Payment]()
    carried_out(Rounds(planned(120, seed), GIFTS, nothing_before), random.Random(seed), order)
    for payer in range(len(GIFTS)):
        own = [payment.number for payment in order if payment.payer == payer]
        assert all(earlier < later for earlier, later in pairwise(own))


def test_who_spends_what_they_receive_waits_until_it_is_there() -> None:
    rounds = Rounds([Payment(0, 0, 1, 5, 0), Payment(1, 1, 2, 5, 0)], [5, 0, 0], nothing_before)
    (first,) = rounds.next_round()
    assert first.number == 0
    rounds.paid(first)
    (second,) = rounds.next_round()
    assert second.number == 1


def test_who_asks_for_too_much_is_paid_no_more_until_that_is_refused() -> None:
    rounds = Rounds([Payment(0, 0, 1, 6, 0, True), Payment(1, 1, 0, 5, 0)], [5, 5], nothing_before)
    (first,) = rounds.next_round()
    assert first.refused
    rounds.paid(first)
    assert [payment.number for payment in rounds.next_round()] == [1]


def test_what_was_done_before_is_not_given_out_and_counts() -> None:
    payments = [Payment(0, 0, 1, 5, 0), Payment(1, 1, 2, 5, 0), Payment(2, 2, 0, 5, 0)]
    rounds = Rounds(payments, [5, 0, 0], lambda part: {0, 1} & {payment.number for payment in part})
    assert [payment.number for payment in rounds.next_round()] == [2]
    assert [payment.number for payment in rounds.take_earlier()] == [0, 1]
    assert rounds.take_earlier() == []


def test_what_depends_on_one_that_failed_is_not_given_out_and_all_else_is() -> None:
    payments = [Payment(0, 0, 1, 5, 0), Payment(1, 1, 2, 5, 0), Payment(2, 2, 0, 1, 0), Payment(3, 0, 2, 5, 0)]
    rounds = Rounds(payments, [5, 0, 1], nothing_before)
    found = rounds.next_round()
    assert [payment.number for payment in found] == [0, 2]
    rounds.failed(found[0])
    rounds.paid(found[1])
    assert [payment.number for payment in rounds.next_round()] == [3], "the tokens are still there"
    assert rounds.next_round() == []
    assert [payment.number for payment in rounds.waiting] == [1]


# --- one of each payer at a time ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("ahead", "most"), [(5000, 1000), (10, 3), (20, 1)])
def test_one_of_each_payer_is_under_way_and_all_come_about(seed: int, ahead: int, most: int) -> None:
    """They end in any order, and further ones are given out before all of them have."""
    payments, draw = planned(120, seed), random.Random(seed)
    rounds = Rounds(payments, GIFTS, nothing_before, ahead=ahead, one_each=True)
    balances, order, under_way = list(GIFTS), list[Payment](), list[Payment]()
    while found := rounds.next_round(most) or under_way:
        under_way += found if found is not under_way else []
        assert len({payment.payer for payment in under_way}) == len(under_way)
        payment = under_way.pop(draw.randrange(len(under_way)))
        enough = balances[payment.payer] >= payment.amount
        assert enough != payment.refused, f"{payment} in this order"
        if enough:
            balances[payment.payer] -= payment.amount
            balances[payment.payee] += payment.amount
        rounds.paid(payment)
        order.append(payment)
    assert sorted(order) == payments
    for payer in range(len(GIFTS)):
        own = [payment.number for payment in order if payment.payer == payer]
        assert own == sorted(own)


def test_no_more_are_given_out_than_there_is_room_for() -> None:
    rounds = Rounds([Payment(n, n, n + 1, 5, 0) for n in range(4)], [5] * 5, nothing_before, one_each=True)
    assert [payment.number for payment in rounds.next_round(3)] == [0, 1, 2]
    assert [payment.number for payment in rounds.next_round(3)] == [3]


def test_who_asks_for_too_much_is_paid_no_more_while_that_is_under_way() -> None:
    payments = [Payment(0, 0, 1, 6, 0, True), Payment(1, 1, 0, 5, 0)]
    rounds = Rounds(payments, [5, 5], nothing_before, one_each=True)
    (first,) = rounds.next_round()
    assert rounds.next_round() == []
    rounds.paid(first)
    assert [payment.number for payment in rounds.next_round()] == [1]


def test_nothing_of_a_payer_is_given_out_after_one_that_failed() -> None:
    payments = [Payment(0, 0, 1, 5, 0), Payment(1, 0, 1, 1, 0), Payment(2, 1, 0, 1, 0)]
    rounds = Rounds(payments, [9, 9], nothing_before, one_each=True)
    first, other = rounds.next_round()
    rounds.failed(first)
    rounds.paid(other)
    assert rounds.next_round() == []
    assert [payment.number for payment in rounds.waiting] == [1]
