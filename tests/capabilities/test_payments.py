"""The payments of a scenario: the same on every stack, and what everybody has afterwards."""

from pathlib import Path
from typing import Any

import pytest

from cicscenario.capabilities.payments import PlannedPayments, payments_of, units
from cicscenario.chain.contracts import COOLDOWN, Contracts, Faucet, Token
from cicscenario.errors import InvalidError
from cicscenario.payments.payment import Payment
from cicscenario.plan.compile import compile_plan
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

TOKEN, OTHER = Token(b"\x70" * 20, "GFT", 6, None), Token(b"\x71" * 20, "OTH", 6, None)


def planned(folder: Path, size: int = 5, **keys: str) -> Any:
    wanted = {"gift": "{threshold: 50}", "backend": "eth", "traffic": "{payments: 30, overdrafts: 10%}"} | keys
    plan = compile_plan(load_scenario(written(folder, **wanted)))
    return payments_of(plan.scenario, plan.population, size)


def test_everybody_has_their_gift_and_what_payments_have_left_of_it(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    left = list(plan.gifts)
    for payment in plan:
        if not payment.refused:
            left[payment.payer] -= payment.amount
            left[payment.payee] += payment.amount
            assert left[payment.payer] >= 0
    assert plan.left == left
    assert sum(plan.left) == sum(plan.gifts)
    assert plan.made == [sum(payment.payer == person for payment in plan) for person in range(5)]
    assert (plan.refused, sum(plan.made)) == (3, 30)
    for person in range(5):
        assert plan.made_by(person) == [payment for payment in plan if payment.payer == person]
    assert plan.busiest == (plan.made.index(max(plan.made)), max(plan.made))


def test_they_are_planned_once_and_the_same_each_time(tmp_path: Path) -> None:
    plan = compile_plan(
        load_scenario(written(tmp_path, gift="{threshold: 50}", backend="eth", traffic="{payments: 30}"))
    )
    one, again = (payments_of(plan.scenario, plan.population, 5) for _ in range(2))
    assert one is again
    assert list(one) == list(one)
    assert planned(tmp_path, traffic="{payments: 30}").identity == one.identity


@pytest.mark.parametrize(
    ("size", "keys"),
    [(4, {}), (5, {"traffic": "{payments: 31, overdrafts: 10%}"}), (5, {"population": "{size: 5, seed: 2}"})],
)
def test_what_identifies_them_changes_with_any_of_them(tmp_path: Path, size: int, keys: dict[str, str]) -> None:
    assert planned(tmp_path, size, **keys).identity != planned(tmp_path).identity


def test_a_profile_decides_who_pays_and_its_people_live_in_places(tmp_path: Path) -> None:
    """Places come from the people's documents: with all people in one place the payments are others."""
    spread = planned(tmp_path, 40, population="{size: 40, seed: 1}", traffic="{payments: 200, profile: sarafu-2020}")
    uniform = planned(tmp_path, 40, population="{size: 40, seed: 1}", traffic="{payments: 200}")
    together = PlannedPayments(spread.spec, 1, spread.gifts, [0] * 40)
    assert len({spread.identity, uniform.identity, together.identity}) == 3
    assert spread.busiest[1] > uniform.busiest[1], "a few pay very often"
    assert spread.spec.figures is not None


def test_people_of_whom_nobody_has_a_gift_cannot_pay(tmp_path: Path) -> None:
    spec = planned(tmp_path, traffic="{payments: 3}").spec
    with pytest.raises(InvalidError, match="none of the 5 people has money"):
        list(PlannedPayments(spec, 1, [0] * 5, [0] * 5))


@pytest.mark.parametrize(("token", "more"), [(TOKEN, 5 * 7), (OTHER, 0)])
def test_one_that_is_to_be_refused_asks_for_all_that_there_is_too(tmp_path: Path, token: Token, more: int) -> None:
    """So no order of transactions, as after a chain went back, lets it succeed."""
    contracts, plan = Contracts(b"", b"", TOKEN, Faucet(b"\x72" * 20, token, 7, COOLDOWN)), planned(tmp_path)
    assert units(plan, Payment(0, 0, 1, 3, 0), contracts) == 3_000_000
    everything = (3 + sum(plan.gifts)) * 1_000_000 + more
    assert units(plan, Payment(0, 0, 1, 3, 0, True), contracts) == everything
