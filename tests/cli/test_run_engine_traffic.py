"""People pay each other by the custodial engine: each payment is made, and the independent checker finds it."""

from pathlib import Path

import pytest

from cicscenario.chain.abi import to_hex
from cicscenario.language import load_environment
from cicscenario.people.person import checksum
from cicscenario.services.custodial import tasks
from tests.oracle import baseline, judge, place_of
from tests.support.killed_runs import kill_world
from tests.support.reached import of_situation
from tests.support.sandboxes import Run, Sandbox

pytestmark = pytest.mark.slow

SCENARIO = """
version: 1
name: paying
population: {size: 12, seed: 5}
gift: {threshold: 200}
backend: {kind: cic_eth, patience: 60}
traffic: {payments: 60, span: 30 days, overdrafts: 10%}
environment: sandbox
"""


@pytest.fixture
def run(engine: Sandbox, tmp_path: Path) -> Run:
    path = tmp_path / "paying.yaml"
    path.write_text(SCENARIO)
    return Run(engine, path, tmp_path / "run")


def test_each_payment_is_made_and_everybody_has_what_the_plan_says(run: Run) -> None:
    place = place_of(run.box.environment, to_hex(run.box.session().signer.address))
    before = baseline(place)
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "traffic: 0 errors of 12" in done.stdout
    assert "balance: 0 errors of 12" in done.stdout
    assert judge(run.scenario, place, run.place, before).lines() == []
    lines = [line.split(",") for line in (run.place / "payments.csv").read_text().splitlines()[1:]]
    assert [int(line[0]) for line in lines] == list(range(60))
    assert [line[5] for line in lines].count("refused") == 6
    assert len({line[6] for line in lines}) == 60
    assert "traffic" not in run.report()["transactions"], "the run itself has sent none of them"
    height = run.box.block()
    again = run.command()
    assert "nothing to do: 12 of 12 people" in again.stdout
    assert run.box.block() == height


def test_a_lock_of_one_account_fails_its_own_payments_and_goes_on_when_it_is_gone(run: Run) -> None:
    text = run.scenario.read_text()
    run.scenario.write_text(text.replace("traffic:", "# traffic:"))
    assert run.command().returncode == 0
    run.scenario.write_text(text)
    ((account,),) = run.rows("SELECT address FROM people WHERE id = 3")
    spec = load_environment(run.box.environment).chain_spec
    assert spec
    lock = [spec.asdict(), account.hex(), tasks.QUEUE_LOCK]
    run.box.ask_engine("cic_eth.admin.ctrl.lock", None, *lock)
    locked = run.command()
    assert locked.returncode == 3, locked.stdout + locked.stderr
    assert f"the account {checksum(account)} is locked by QUEUE" in locked.stdout + locked.stderr
    assert run.rows("SELECT person FROM outcomes WHERE step = 'traffic' AND ok = 0") == [(3,)]
    assert run.rows("SELECT count(DISTINCT person) FROM payments WHERE status = 'paid'") == [(11,)]
    run.box.ask_engine("cic_eth.admin.ctrl.unlock", None, *lock)
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "traffic: 0 errors of 12" in done.stdout


@pytest.mark.timeout(300)
def test_killed_wherever_it_asks_or_writes_down_what_came_of_it_no_payment_is_lost_or_made_twice(
    tmp_path: Path,
) -> None:
    """Each process but the first resumes what was killed at an earlier point, and is killed at a later one."""
    backend = "cic_eth_traffic"
    with kill_world(backend, tmp_path, size=4) as world:
        run = world.run(seed=1, patience=12)
        for point in of_situation("payments by the engine", backend):
            end = run.invoke(failpoint=f"{point}:1:kill")
            assert end.killed, f"{point} was not passed: {end.code} {end.said}"
        run.finish()
        assert not run.by_hand, run.by_hand
        assert run.verdict().lines() == []
        assert run.finish().said.count("nothing to do") == 1
