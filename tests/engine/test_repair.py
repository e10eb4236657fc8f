"""What a repair refuses before anything is changed; what it does is told by ``tests/cli/test_repair.py``."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.capabilities.redo import Redo
from cicscenario.connections import Service
from cicscenario.engine.findings import RepairPlan
from cicscenario.engine.repair import _require_funds, _require_step, told
from cicscenario.errors import ExitCode, InvalidError, StepFailedError, UnavailableError
from cicscenario.invocation import going_on
from cicscenario.state.rows import CheckRow
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


CAUSE = "the account table has no phone number"


def ended(tmp_path: Path, again: list[int], failed: list[int], wrong: int, *, pending: bool = False) -> Any:
    """The exit code or error of a repair that executed the step pins for ``again``, when ``failed`` are failed then."""
    made = failing_run(tmp_path, size=4)
    made.make(without_account={})
    made.fail_step("pins", dict.fromkeys(failed, CAUSE))
    if pending:
        made.store.withdraw(["ussd_data"])
    redo = Redo()
    for person in again:
        redo.add("pins", person)
    checks = [CheckRow("pins", wrong, 4, None, [])]
    this: Any = SimpleNamespace(
        plan=made.plan, state=made.store, redo=redo, checks=checks, request=SimpleNamespace(path=made.path)
    )
    try:
        return told(this)
    except StepFailedError as error:
        return error
    finally:
        made.store.close()


def test_who_is_left_alone_does_not_send_the_user_in_a_circle(tmp_path: Path) -> None:
    """Person 2 failed in an earlier repair, and is left alone in this one: to repeat the command cannot help."""
    assert ended(tmp_path, [0, 1], [2], wrong=1) is ExitCode.CHECKS_FAILED


@pytest.mark.parametrize(
    ("again", "failed", "wrong", "pending"),
    [([0, 2], [2], 1, False), ([0], [], 1, True), ([], [2], 0, False), ([], [], 0, True)],
)
def test_what_is_not_done_is_finished_by_the_run(
    tmp_path: Path, again: list[int], failed: list[int], wrong: int, pending: bool
) -> None:
    error = ended(tmp_path, again, failed, wrong, pending=pending)
    assert isinstance(error, StepFailedError)
    assert error.resume == going_on("run", scenario=tmp_path / "broken.yaml")


def test_when_all_is_done_and_right_it_is_ok(tmp_path: Path) -> None:
    assert ended(tmp_path, [0, 1], [], wrong=0) is ExitCode.OK
