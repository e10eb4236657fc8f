"""The chain goes back below what a run has done: the same command finishes, in one run, and pays nobody twice."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cicscenario.chain.session import ChainSession
from cicscenario.sandbox import stack
from tests.support.sandboxes import Run, Sandbox, gifts_since, needs_anvil

BIG = ("--set", "population.size=300")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("box")
    yield Sandbox(home, stack.up(home, services=stack.CHAIN_ONLY).environment)
    stack.down(home, purge=True)


@pytest.fixture
def run(box: Sandbox, scenario: Path, tmp_path: Path) -> Run:
    return Run(box, scenario, tmp_path / "runs" / "small")


def everybody_is_paid(run: Run, first: int, people: int) -> None:
    gifts = gifts_since(run.box, first)
    assert {account: gifts[account] for account in run.given()} == run.given()
    assert set(run.errors().values()) == {(0, people)}
    assert {counts[0] for counts in run.steps().values()} == {people}


def set_back(session: ChainSession, mark: str) -> None:
    assert session.rpc.call("evm_revert", mark) is True


@pytest.mark.slow
def test_a_run_that_was_done_is_done_again(run: Run) -> None:
    assert run.command("--until", "registration").returncode == 0
    session, first = run.box.session(), run.box.block()
    mark = session.rpc.call("evm_snapshot")
    assert run.command().returncode == 0
    set_back(session, mark)
    again = run.command()
    assert again.returncode == 0, again.stderr
    assert "nothing to do" not in again.stdout
    everybody_is_paid(run, first, 12)
    assert "nothing to do" in run.command().stdout


@pytest.mark.slow
@pytest.mark.parametrize("until", ["accounts", "registration"])
def test_many_people_are_done_again_in_one_run(run: Run, until: str) -> None:
    assert run.command("--until", until, *BIG).returncode == 0
    session, first = run.box.session(), run.box.block()
    mark = session.rpc.call("evm_snapshot")
    assert run.command(*BIG).returncode == 0
    set_back(session, mark)
    session.rpc.call("anvil_mine", hex(400))  # as long as before, and empty
    again = run.command(*BIG)
    assert again.returncode == 0, again.stderr
    everybody_is_paid(run, first, 300)


def goes_back_in_the_middle(run: Run, people: int) -> None:
    many = ("--set", f"population.size={people}")
    assert run.command("--until", "accounts", *many).returncode == 0
    session, first = run.box.session(), run.box.block()
    mark = session.rpc.call("evm_snapshot")
    process = run.start(*many)
    run.when("SELECT 1 FROM ledger WHERE status = 'mined'")
    set_back(session, mark)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    everybody_is_paid(run, first, people)


@pytest.mark.slow
def test_a_chain_that_goes_back_while_the_run_is_active_ends_as_any_other(run: Run) -> None:
    goes_back_in_the_middle(run, 300)


@pytest.mark.slow
@needs_anvil
def test_anvil_goes_back_while_the_run_is_active(
    sandbox_of: Callable[..., Sandbox], scenario: Path, tmp_path: Path
) -> None:
    run = Run(sandbox_of("anvil"), scenario, tmp_path / "runs" / "small")
    goes_back_in_the_middle(run, 60)
