"""Payments are as many as asked for, can be made in their order, and are the same for one seed."""

import hashlib
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.errors import InvalidError
from cicscenario.payments.figures import PaymentFigures, Quantiles
from cicscenario.payments.payment import Payment
from cicscenario.payments.planner import plan_payments
from cicscenario.payments.shipped import shipped_figures
from cicscenario.payments.spec import PaymentsSpec

UNIT = 1_000_000
PROFILES = ("uniform", "sarafu-2020")
#: sha256 over the first 500 payments of each profile, one a line, fields with blanks. Scenarios in use mean these payments.
FIVE_HUNDRED = {
    "uniform": "d10e295bf554b1a618e907fbc251f7fe7c1af18b023072a618a3e4417f0fc398",
    "sarafu-2020": "eda47350999b009fe62b87d596f90f12acdd95d020ca19feb920fecbc5af1ec0",
}


def planned(spec: PaymentsSpec, balances: list[int], seed: int = 1, places: list[int] | None = None) -> list[Payment]:
    return list(plan_payments(spec, seed, places or [0] * len(balances), balances, UNIT))


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Any few people, with much, little and no money, in any places; somebody has something."""
    balance = st.one_of(st.integers(0, 3), st.integers(0, 400 * UNIT), st.integers(0, 10**24))
    balances = draw(st.lists(balance, min_size=2, max_size=30))
    balances[draw(st.integers(0, len(balances) - 1))] += 1
    places = draw(st.lists(st.integers(0, 4), min_size=len(balances), max_size=len(balances)))
    return {"balances": balances, "places": places, "seed": draw(st.integers(0, 2**63))}


specs = st.builds(
    PaymentsSpec,
    payments=st.integers(0, 80),
    profile=st.sampled_from(PROFILES),
    span=st.integers(1, 400),
    overdrafts=st.sampled_from([0.0, 0.1, 0.29, 0.5, 1.0]),
)


@given(spec=specs, world=worlds())
@settings(max_examples=200, deadline=None)
def test_each_payment_can_be_made_in_its_turn(spec: PaymentsSpec, world: dict[str, Any]) -> None:
    payments, left = planned(spec, **world), list(world["balances"])
    assert [payment.number for payment in payments] == list(range(spec.payments)), "exactly as many as asked for"
    for payment in payments:
        assert payment.payer != payment.payee
        assert payment.amount >= 1
        assert payment.refused == (payment.amount > left[payment.payer])
        if not payment.refused:
            left[payment.payer] -= payment.amount
            left[payment.payee] += payment.amount
        assert min(left[payment.payer], left[payment.payee]) >= 0
    assert sum(left) == sum(world["balances"]), "nothing is made or lost"


@st.composite
def quantiles(draw: st.DrawFn) -> Quantiles:
    values = sorted(draw(st.lists(st.floats(0, 500), min_size=2, max_size=5)))
    return Quantiles.of({str(place / (len(values) - 1)): value for place, value in enumerate(values)})


@given(
    figures=st.builds(
        PaymentFigures,
        payers=st.floats(0, 1),
        receivers=st.floats(0, 1),
        sent=quantiles(),
        received=quantiles(),
        partners=quantiles(),
        size=quantiles(),
        gift=st.floats(0.01, 1e6),
        within_place=st.floats(0, 1),
    ),
    world=worlds(),
    unit=st.sampled_from([1, 100, UNIT, 10**18]),
)
@settings(max_examples=100, deadline=None)
def test_any_figures_make_payments_that_are_possible(figures: PaymentFigures, world: dict[str, Any], unit: int) -> None:
    left, number = list(world["balances"]), 0
    spec = PaymentsSpec(300, figures=figures)
    for payment in plan_payments(spec, world["seed"], world["places"], world["balances"], unit):
        assert payment.payer != payment.payee
        assert 1 <= payment.amount <= left[payment.payer]
        left[payment.payer] -= payment.amount
        left[payment.payee] += payment.amount
        number += 1
    assert number == 300


@given(spec=specs, world=worlds())
@settings(max_examples=100, deadline=None)
def test_overdrafts_are_as_many_as_asked_for(spec: PaymentsSpec, world: dict[str, Any]) -> None:
    hundredths = round(spec.overdrafts * 100)
    assert sum(payment.refused for payment in planned(spec, **world)) == spec.payments * hundredths // 100


@given(spec=specs, world=worlds())
@settings(max_examples=50, deadline=None)
def test_days_follow_each_other_within_the_span(spec: PaymentsSpec, world: dict[str, Any]) -> None:
    days = [payment.day for payment in planned(spec, **world)]
    assert days == sorted(days)
    assert set(days) <= set(range(spec.span))
    assert not days or days[0] == 0


@given(spec=specs, world=worlds(), more=st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_more_payments_begin_with_the_same_ones(spec: PaymentsSpec, world: dict[str, Any], more: int) -> None:
    """But for the days, which come closer."""
    larger = PaymentsSpec(spec.payments + more, spec.profile, spec.span, spec.overdrafts)
    pairs = zip(planned(spec, **world), planned(larger, **world), strict=False)
    assert all(one._replace(day=0) == another._replace(day=0) for one, another in pairs)


def village(people: int = 300) -> dict[str, Any]:
    return {
        "balances": [(index * 37 % 401) * UNIT for index in range(people)],
        "places": [index % 7 for index in range(people)],
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_one_seed_plans_the_same_payments_for_ever(profile: str) -> None:
    payments = planned(PaymentsSpec(500, profile, 30, 0.1), **village(), seed=20220129)
    text = "".join(" ".join(str(int(value)) for value in payment) + "\n" for payment in payments)
    assert hashlib.sha256(text.encode()).hexdigest() == FIVE_HUNDRED[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_another_seed_plans_others(profile: str) -> None:
    one, another = (planned(PaymentsSpec(50, profile), **village(), seed=seed) for seed in (1, 2))
    assert one != another


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_make_no_difference(profile: str, batch: int) -> None:
    spec = PaymentsSpec(200, profile)
    stream = plan_payments(spec, 1, village()["places"], village()["balances"], UNIT)
    batches = iter(lambda: list(islice(stream, batch)), [])
    assert [payment for batch in batches for payment in batch] == planned(spec, **village())


@pytest.mark.parametrize("profile", PROFILES)
def test_planning_changes_no_balance_of_the_caller(profile: str) -> None:
    world = village()
    planned(PaymentsSpec(200, profile), **world)
    assert world == village()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("balances", [[0, 1], [1, 0, 0], [1, *[0] * 99], [0, UNIT], [1, 1]])
def test_a_single_base_unit_goes_round_as_often_as_is_asked_for(profile: str, balances: list[int]) -> None:
    payments = planned(PaymentsSpec(2000, profile), balances)
    assert len(payments) == 2000
    assert {payment.payer for payment in payments[:1]} == {max(range(len(balances)), key=balances.__getitem__)} or (
        balances == [1, 1]
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_too_few_people_are_told(profile: str) -> None:
    with pytest.raises(InvalidError, match="7 payments cannot be made by 1 person: nobody pays themselves"):
        planned(PaymentsSpec(7, profile), [UNIT])
    assert planned(PaymentsSpec(0, profile), []) == []


@pytest.mark.parametrize("profile", PROFILES)
def test_people_without_money_are_told_before_the_first_payment(profile: str) -> None:
    with pytest.raises(InvalidError, match="1 payment cannot be made: none of the 2 people has money"):
        plan_payments(PaymentsSpec(1, profile), 1, [0, 0], [0, 0], UNIT)


@pytest.mark.parametrize("profile", PROFILES)
def test_overdrafts_alone_need_no_money(profile: str) -> None:
    assert all(payment.refused for payment in planned(PaymentsSpec(20, profile, overdrafts=1.0), [0, 0, 0]))


def test_an_unknown_profile_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InvalidError, match="no payments like those of sarafu-1920") as caught:
        planned(PaymentsSpec(1, "sarafu-1920"), [1, 1])
    assert caught.value.hint == "expected one of `uniform`, `sarafu-2020`"


def test_figures_of_too_many_payments_are_told_before_anything_is_planned() -> None:
    figures = shipped_figures("sarafu-2020")
    assert figures
    often = replace(figures, sent=Quantiles.of({"0": 10**8, "1": 10**8}), payers=0.5)
    said = "by the figures of the profile, 2 people make 100,000,000 payments; at most 50,000,000 can be planned"
    with pytest.raises(InvalidError, match=said):
        plan_payments(PaymentsSpec(1, figures=often), 1, [0, 0], [1, 1], UNIT)


def test_figures_of_ones_own_replace_those_of_the_profile() -> None:
    figures = shipped_figures("sarafu-2020")
    assert figures
    own = PaymentsSpec(300, "village-2021", figures=figures)
    assert planned(own, **village()) == planned(PaymentsSpec(300, "sarafu-2020"), **village())


def test_quantiles_are_linear_between_two_of_them() -> None:
    table = Quantiles.of({"1": 10, "0": 0, "0.5": 2})
    assert [table.at(share) for share in (0, 0.25, 0.5, 0.75, 1)] == [0, 1, 2, 6, 10]
    assert table.spread(4) == [0.5, 1.5, 4.0, 8.0]
