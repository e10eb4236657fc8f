"""An older state of a run through the custodial engine: nobody gets a second account, and nobody is paid again.

What the engine made belongs to nobody as long as the state does not tell whose it is. So a copy from before the requests ends
the run before anything is asked for or sent.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.killed_runs import KilledRun, KillWorld, kill_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", params=["cic_eth", "cic_ussd"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillWorld]:
    with kill_world(request.param, tmp_path_factory.mktemp(request.param), size=4) as made:
        yield made


def put_back(run: KilledRun, copy: Path) -> None:
    for path in run.directory.glob("state.sqlite*"):
        path.unlink()
    shutil.copy(copy, run.state)


def finished(world: KillWorld, seed: int, copy: Path, until: str) -> KilledRun:
    """A run that is through, in whose place there is a copy of its state from the end of a step."""
    run = world.run(seed)
    assert run.invoke("run", "--until", until).code == 0
    shutil.copy(run.state, copy)
    assert run.finish().code == 0
    assert run.verdict().lines() == []
    put_back(run, copy)
    return run


def left_alone(world: KillWorld) -> tuple[object, ...]:
    """Everything that a run would change: keys of the engine, rows of the account table, transactions of the signer."""
    chain, signer = world.place.chain, world.place.signer
    return world.place.keys(), world.place.phones(), chain.nonce(signer), chain.nonce(signer, "pending")


@pytest.mark.parametrize("until", ["accounts", "registration", "gift"])
def test_a_copy_that_knows_the_requests_gives_nobody_a_second_account(
    world: KillWorld, tmp_path: Path, until: str
) -> None:
    run = finished(world, 10 + len(until), tmp_path / "copy", until)
    before = left_alone(world)
    run.finish()
    assert not run.by_hand, run.by_hand
    assert run.verdict().lines() == []
    assert left_alone(world) == before
    assert run.finish().said.count("nothing to do") == 1


def test_a_copy_from_before_the_requests_asks_for_nothing_and_sends_nothing(world: KillWorld, tmp_path: Path) -> None:
    run = finished(world, 30, tmp_path / "copy", "population")
    before = left_alone(world)
    end = run.invoke()
    assert left_alone(world) == before
    if world.backend == "cic_eth":  # nothing tells whose account it is that was paid
        assert end.code == 5, end.said
        assert re.search(r"4 transactions of 0x\w{40} are on the chain that this state does not know", end.said)
        assert "nothing was sent" in end.said
    else:  # the phone pointer tells it
        assert end.code == 3, end.said
        assert "has an account that this run did not request" in end.said


def test_an_older_copy_after_a_request_was_lost_tells_its_orphans(world: KillWorld, tmp_path: Path) -> None:
    """A run was killed when the engine had been asked; the copy is from before. Nobody was paid, so nothing stops the run."""
    if world.backend != "cic_eth":
        pytest.skip("a person dials once: the phone pointer leads to the one account")
    run = world.run(40)
    assert run.invoke("run", "--until", "population").code == 0
    shutil.copy(run.state, tmp_path / "copy")
    assert run.invoke("run", "--until", "accounts").code == 0
    accounts = world.place.keys() - run.since.keys
    put_back(run, tmp_path / "copy")
    run.finish()
    verdict = run.verdict()
    assert (verdict.lost, verdict.wrong) == ([], [])
    assert sorted(verdict.doubled) == sorted(
        f"the engine made {key}, which is the account of nobody" for key in accounts
    )
