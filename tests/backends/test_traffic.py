"""What payments need is said before anything is sent: gas for who pays most often, and a token that does not shrink."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.backends.eth import TrafficCost
from cicscenario.backends.work.traffic import GAS_LIMIT
from cicscenario.capabilities.cost import Pending, Sender
from cicscenario.capabilities.payments import payments_of
from cicscenario.chain.contracts import Token
from cicscenario.plan.compile import compile_plan
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

PRICE = 10**9
COST = TrafficCost(gas=72_500, sender=Sender.PEOPLE)


@pytest.fixture
def pending(tmp_path: Path) -> Pending:
    keys = {"gift": "{threshold: 50}", "backend": "eth", "traffic": "{payments: 30}"}
    plan = compile_plan(load_scenario(written(tmp_path, **keys)))
    return Pending("traffic", plan.scenario, plan.population, plan.size, plan.size, None)


def needs(pending: Pending, *, price: int = PRICE, decay: float | None = None) -> list[Any]:
    token = Token(b"\x70" * 20, "GFT", 6, decay)
    session: Any = SimpleNamespace(gas_price=price, contracts=SimpleNamespace(token=token))
    return list(COST.needs(pending, session))


def test_the_gas_of_each_person_is_held_against_the_payments_of_who_pays_most_often(pending: Pending) -> None:
    person, number = payments_of(pending.scenario, pending.population, pending.size).busiest
    (need,) = needs(pending)
    assert (need.needed, need.held, need.ok) == (number * GAS_LIMIT * PRICE, 10**15, number * GAS_LIMIT <= 10**6)
    assert f"of person {person}" in need.what
    assert f"`gas: {need.needed}`" in need.hint


def test_where_gas_costs_nothing_nobody_needs_any(pending: Pending) -> None:
    (need,) = needs(pending, price=0)
    assert (need.needed, need.ok) == (0, True)


def test_a_token_that_shrinks_is_refused(pending: Pending) -> None:
    *_, shrinks = needs(pending, decay=0.9999)
    assert not shrinks.ok
    assert "GFT" in shrinks.what


def test_all_payments_are_left_before_the_first_one(pending: Pending) -> None:
    assert COST.transactions(pending) == 30


def test_without_a_chain_the_gas_is_told_and_the_price_is_not(pending: Pending) -> None:
    (need,) = COST.offline_needs(pending)
    assert (need.unit, need.asked) == ("gas", False)
    assert need.needed == payments_of(pending.scenario, pending.population, pending.size).busiest[1] * GAS_LIMIT
