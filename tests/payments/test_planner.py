"""Payments are as many as asked for, can be made in their order, and are the same for one seed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.errors import InvalidError
from cicscenario.payments.payment import Payment
from cicscenario.payments.planner import plan_payments
from cicscenario.payments.spec import PaymentsSpec

UNIT = 1_000_000


def planned(spec: PaymentsSpec, balances: list[int], seed: int = 1) -> list[Payment]:
    return list(plan_payments(spec, seed, [0] * len(balances), balances, UNIT))


@given(
    number=st.integers(0, 60),
    overdrafts=st.sampled_from([0.0, 0.1, 0.29, 0.5, 1.0]),
    span=st.integers(1, 400),
    balances=st.lists(st.one_of(st.integers(0, 3), st.integers(0, 10**24)), min_size=2, max_size=30),
    seed=st.integers(0, 2**63),
)
@settings(max_examples=150, deadline=None)
def test_each_payment_can_be_made_in_its_turn(
    number: int, overdrafts: float, span: int, balances: list[int], seed: int
) -> None:
    balances[seed % len(balances)] += 1
    spec = PaymentsSpec(number, span=span, overdrafts=overdrafts)
    payments, left = planned(spec, balances, seed), list(balances)
    assert payments == planned(spec, balances, seed)
    assert [payment.number for payment in payments] == list(range(number))
    for payment in payments:
        assert payment.payer != payment.payee
        assert payment.amount >= 1
        assert payment.refused == (payment.amount > left[payment.payer])
        if not payment.refused:
            left[payment.payer] -= payment.amount
            left[payment.payee] += payment.amount
        assert min(left) >= 0
    assert sum(left) == sum(balances)
    assert sum(payment.refused for payment in payments) == int(number * round(overdrafts * 100)) // 100
    days = [payment.day for payment in payments]
    assert days == sorted(days)
    assert not days or (days[0] == 0 and days[-1] < span)


def test_too_few_people_are_told() -> None:
    with pytest.raises(InvalidError, match="7 payments cannot be made by 1 person: nobody pays themselves"):
        planned(PaymentsSpec(7), [UNIT])
    assert planned(PaymentsSpec(0), []) == []


def test_people_without_money_are_told_before_the_first_payment() -> None:
    with pytest.raises(InvalidError, match="1 payment cannot be made: none of the 2 people has money"):
        plan_payments(PaymentsSpec(1), 1, [0, 0], [0, 0], UNIT)
