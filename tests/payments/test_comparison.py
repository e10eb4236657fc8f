"""What was paid is counted as anybody would count it, and held against the profile."""

import pytest

from cicscenario.payments.comparison import distributions, quantiles, shares, usual_payments
from cicscenario.payments.figures import PaymentFigures
from cicscenario.payments.payment import Payment
from cicscenario.payments.planner import plan_payments
from cicscenario.payments.shipped import shipped_figures
from cicscenario.payments.spec import PaymentsSpec
from cicscenario.payments.tally import Tally

PEOPLE, PAYMENTS, GIFT = 20_000, 75_000, 200


def figures() -> PaymentFigures:
    found = shipped_figures("sarafu-2020")
    assert found
    return found


def few() -> Tally:
    """Person 0 pays person 1 twice and person 2 once, and 1 pays 0; one is refused, and one is not made."""
    tally = Tally(4, 3)
    for number, (payer, payee, amount, day) in enumerate([(0, 1, 5, 0), (0, 1, 6, 0), (0, 2, 1, 1), (1, 0, 8, 2)]):
        tally.add(Payment(number, payer, payee, amount, day), made=True)
    tally.add(Payment(4, 3, 0, 999, 2, refused=True), made=True)
    tally.add(Payment(5, 3, 0, 7, 2), made=False)
    return tally


def test_payments_are_counted_by_person_pair_and_day() -> None:
    tally = few()
    assert (list(tally.sent), list(tally.received)) == ([3, 1, 0, 0], [1, 2, 1, 0])
    assert (tally.given, tally.got) == ([12, 8, 0, 0], [8, 11, 1, 0])
    assert (list(tally.planned), list(tally.paid), list(tally.refused)) == ([2, 1, 3], [2, 1, 1], [0, 0, 1])
    assert tuple(map(list, tally.partners())) == ([2, 1, 0, 0], [1, 1, 1, 0])
    assert tally.within([7, 7, 8, 8]) == 2 / 3
    assert (tally.moved(), tally.sizes()) == (20, [4.0, 8.0])


def test_figures_of_a_few_payments() -> None:
    assert [(one.name, one.found, one.wanted) for one in shares(few(), None, [0] * 4)] == [
        ("payers", 0.5, None), ("receivers", 0.75, None), ("within_place", 1.0, None),
    ]  # fmt: skip
    found = {one.name: one.found for one in distributions(few(), None, [20] * 4)}
    assert (min(found["sent"]), max(found["sent"])) == (1, 3)
    assert (min(found["size"]), max(found["size"])) == (4, 8)
    assert (min(found["partners"]), max(found["partners"])) == (1, 2)


def test_nobody_has_paid() -> None:
    empty = Tally(3, 1)
    assert [one.found for one in shares(empty, figures(), [0] * 3)] == [0, 0, None]
    assert {one.found for one in distributions(empty, figures(), [1] * 3)} == {()}


@pytest.mark.parametrize(("share", "value"), [(0, 1), (0.5, 3), (0.75, 4), (1, 4)])
def test_quantiles_are_values_that_there_are(share: float, value: int) -> None:
    assert quantiles([4, 2, 1, 3], [share]) == (value,)


def test_twenty_thousand_people_are_like_each_figure_that_the_report_shows() -> None:
    """Whole tokens, as a run plans them, and half of the community's gift: sizes are wanted half as large."""
    tally, gifts, places = Tally(PEOPLE, 90), [GIFT] * PEOPLE, [index % 80 for index in range(PEOPLE)]
    for payment in plan_payments(PaymentsSpec(PAYMENTS, "sarafu-2020", 90), 1, places, gifts, 1):
        tally.add(payment, made=True)
    assert usual_payments(figures(), PEOPLE) == pytest.approx(PAYMENTS, rel=0.05)
    for share in shares(tally, figures(), places):
        assert share.found == pytest.approx(share.wanted, abs=0.08 if share.name == "within_place" else 0.02), share
    room = {"sent": (0.1, 1), "received": (0.25, 2), "partners": (0.1, 1), "size": (0.15, 2)}
    for one in distributions(tally, figures(), gifts):
        relative, absolute = room[one.name]
        for at, found, wanted in zip(one.shares, one.found, one.wanted, strict=True):
            if at <= 0.95:  # above it, who has no more than the gift cannot pay as much at a time
                assert found == pytest.approx(wanted, rel=relative, abs=absolute), (one.name, at)
