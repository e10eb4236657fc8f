"""Whether the signer can pay is told without the gifts of people who are not made yet, unless the greatest could not be paid."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.cost import Need, amount
from cicscenario.errors import UnavailableError
from cicscenario.plan import preflight
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.plan.estimate import WorkLeft, work
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

SIZE, MADE, MOST = 40, 10, 50


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    keys = {"population": f"{{size: {SIZE}, seed: 5}}", "gift": f"{{threshold: {MOST}}}", "backend": "eth"}
    return compile_plan(load_scenario(written(tmp_path, **keys)))


@pytest.fixture
def store(plan: Plan, tmp_path: Path) -> Store:
    store = Store(tmp_path / STATE)
    store.commit("population", [], people=[plan.population.person(n) for n in range(MADE)])
    return store


def tokens(left: WorkLeft) -> int:
    return sum(line.tokens for line in left.lines)


def exactly(plan: Plan) -> int:
    return sum(plan.population.gift(n) for n in range(SIZE))


def asked(plan: Plan, store: Store, funds: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sums of tokens that a signer with ``funds`` is asked for."""
    sums: list[int] = []

    def needs(left: WorkLeft, session: object) -> list[Need]:
        sums.append(tokens(left))
        return [amount("GFT to give", sums[-1], funds, "tokens", "send some")]

    monkeypatch.setattr(preflight, "needs", needs)
    nothing: Any = SimpleNamespace(chain=None)
    preflight._can_pay(plan, nothing, store)
    return sums


def test_the_greatest_gift_is_taken_for_people_who_are_not_made_yet(plan: Plan, store: Store) -> None:
    made = sum(plan.population.gift(n) for n in range(MADE))
    assert tokens(work(plan, store)) == exactly(plan)
    assert tokens(work(plan, store, at_most=True)) == made + (SIZE - MADE) * MOST
    assert tokens(work(plan, None, at_most=True)) == SIZE * MOST
    store.close()


def test_who_can_pay_the_greatest_gifts_can_pay_all(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.population, "gift", None)  # nobody's gift is drawn
    assert asked(plan, store, 10**9, monkeypatch) == [tokens(work(plan, store, at_most=True))]
    store.close()


def test_who_can_just_pay_all_gifts_is_not_refused(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(plan, store, exactly(plan), monkeypatch)[-1] == exactly(plan)
    with pytest.raises(UnavailableError, match=f"needs {exactly(plan):,} tokens"):
        asked(plan, store, exactly(plan) - 1, monkeypatch)
    store.close()
