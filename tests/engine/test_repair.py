"""What a repair refuses before anything is changed; what it does is told by ``tests/cli/test_repair.py``."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.connections import Service
from cicscenario.engine.findings import RepairPlan
from cicscenario.engine.repair import _require_funds, _require_step
from cicscenario.errors import InvalidError, UnavailableError
from tests.support.failing_states import failing_run

GAS, PRICE, EACH = 72_500, 3, 7  # of a transaction: gas, wei for each, and native currency that it gives


def run(held: int) -> Any:
    """A run with one step that sends; ``held`` is what the signer has, in wei."""
    step = SimpleNamespace(name="gift", cost=SimpleNamespace(gas=GAS, native=lambda scenario: EACH))
    signer = SimpleNamespace(address=b"\x05" * 20)
    chain = SimpleNamespace(gas_price=PRICE, balance=lambda: held, signer=signer)
    plan = SimpleNamespace(steps=[step], scenario=None, services={Service.CHAIN})
    return SimpleNamespace(plan=plan, services=SimpleNamespace(chain=chain))


@pytest.mark.parametrize("people", [1, 3])
def test_without_funds_for_all_of_it_nothing_is_begun(people: int) -> None:
    found = RepairPlan()
    for person in range(people):
        found.redo.add("gift", person)
    needed = people * (GAS * PRICE + EACH)
    _require_funds(run(needed), found)
    with pytest.raises(UnavailableError, match="nothing was changed, because the signer lacks funds") as told:
        _require_funds(run(needed - 1), found)
    assert told.value.hint == f"send native currency to 0x{'05' * 20}"


@pytest.mark.parametrize("step", ["population", "accounts"])
def test_nobody_becomes_somebody_else(tmp_path: Path, step: str) -> None:
    made = failing_run(tmp_path)
    request: Any = SimpleNamespace(step=step)
    with pytest.raises(InvalidError, match="is never executed again"):
        _require_step(made.plan, request)
    made.store.close()
