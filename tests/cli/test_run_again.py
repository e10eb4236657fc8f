"""Running again: whatever came between, nobody is paid twice, and nothing that was done is taken from a run."""

import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.intent import Intent
from cicscenario.sandbox import stack
from cicscenario.state.store import Store
from tests.support.sandboxes import Run, Sandbox, gifts_since, send_from, with_keystore

SENDING = "SELECT 1 FROM ledger"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("box")
    yield Sandbox(home, stack.up(home, services=stack.CHAIN_ONLY).environment)
    stack.down(home, purge=True)


@pytest.fixture
def run(box: Sandbox, scenario: Path, tmp_path: Path) -> Run:
    return Run(box, scenario, tmp_path / "runs" / "small")


def started(run: Run, *more: str) -> "subprocess.Popen[str]":
    """The scenario's run, in the middle of sending."""
    process = run.start(*more)
    run.when(SENDING)
    return process


@pytest.mark.slow
def test_a_nonce_that_another_program_used_is_found_out_and_its_person_gets_another(run: Run) -> None:
    """A run is killed with a gift written down and not yet sent, and its nonce goes to somebody else."""
    assert run.command("--until", "registration").returncode == 0
    session = run.box.session()
    store = Store(run.place / "state.sqlite")
    person = next(person for person in store.all_people() if person.gift)
    nonce = int(session.rpc.call("eth_getTransactionCount", to_hex(session.signer.address), "latest"), 16)
    data = pack(TRANSFER, person.account, session.contracts.token.base_units(person.gift))
    intent = Intent(person.id, session.contracts.token.address, data)
    store.add_transactions([session.ledger(store)._sign("gift", intent, nonce, 100_000)])
    store.close()
    send_from(session, session.signer._key.secret, b"\x99" * 20, value=1)
    done = run.command()
    assert done.returncode == 0, done.stderr
    assert run.report()["transactions"]["gift"] == {"mined": len(run.given()), "failed": 1}
    gifts = gifts_since(run.box, 0)
    assert {account: gifts[account] for account in run.given()} == run.given()


@pytest.mark.slow
def test_a_run_beside_a_living_one_takes_nothing_from_it(run: Run) -> None:
    living = started(run, "--set", "population.size=300", "--set", "backend.keystore.kdf=none")
    try:
        living.send_signal(signal.SIGSTOP)
        refused = run.command("--fresh", "--yes")
        assert refused.returncode == 4
        assert str(living.pid) in refused.stderr
        assert (run.place / "state.sqlite").exists()
        assert len(list(run.place.parent.iterdir())) == 1
    finally:
        living.send_signal(signal.SIGCONT)
        said = living.communicate(timeout=120)
    assert living.returncode == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("broken", [("--env", "nowhere.yaml"), ("--set", "gift.threshold=10000000000000")])
def test_a_run_that_cannot_begin_sets_nothing_aside(run: Run, broken: tuple[str, str]) -> None:
    assert run.command().returncode == 0
    assert run.command("--fresh", "--yes", *broken).returncode in (2, 3)
    again = run.command()
    assert "nothing to do: 12 of 12 people" in again.stdout


@pytest.mark.slow
@with_keystore
def test_fresh_sets_the_run_aside_whole(run: Run) -> None:
    assert run.command().returncode == 0
    before = run.addresses()
    anew = run.command("--fresh", "--yes")
    assert anew.returncode == 0, anew.stderr
    assert not set(before) & set(run.addresses())
    (kept,) = run.place.parent.glob("small.*")
    assert Run(run.box, run.scenario, kept).addresses() == before


def test_fresh_leaves_a_folder_that_is_no_run(run: Run) -> None:
    run.place.mkdir(parents=True)
    (run.place / "notes.txt").write_text("mine")
    assert run.command("--fresh", "--yes").returncode == 0
    assert (run.place / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_to_verify_with_other_settings_does_not_change_whose_the_state_is(run: Run) -> None:
    assert run.command().returncode == 0
    place = ("--dir", str(run.place), "--env", str(run.box.environment))
    grown = run.box.command("verify", str(run.scenario), "--set", "population.size=15", *place)
    assert grown.returncode == 1
    assert run.command().returncode == 0
    assert run.box.command("verify", str(run.scenario), "--set", "population.seed=6", *place).returncode == 4


@pytest.mark.slow
def test_the_plan_of_another_scenario_is_refused_as_its_run_would_be(run: Run, tmp_path: Path) -> None:
    assert run.command("--until", "accounts").returncode == 0
    place = ("--dir", str(run.place))
    for change in ("population.size=4", "population.seed=6"):
        refused = run.box.command("plan", str(run.scenario), "--set", change, *place)
        assert refused.returncode == 4
        assert change.partition("=")[0] in refused.stderr
    grown = run.box.command("plan", str(run.scenario), "--set", "population.size=15", *place)
    assert grown.returncode == 0, grown.stderr


@pytest.mark.slow
def test_a_run_that_was_refused_has_not_changed_whose_the_state_is(run: Run) -> None:
    assert run.command().returncode == 0
    refused = run.command("--set", "population.size=15", "--set", "gift.threshold=200", "--set", "metadata=[person]")
    assert refused.returncode == 3
    assert "nothing was changed" in refused.stderr
    assert run.command().returncode == 0


@pytest.mark.slow
def test_what_a_lax_check_passed_is_not_taken_for_exact(run: Run) -> None:
    lax = ("--set", "checks.balance_adjust='-50%'")
    assert run.command(*lax).returncode == 0
    assert "nothing to do" in run.command(*lax).stdout
    exact = run.command()
    assert "nothing to do" not in exact.stdout
    assert "balance: 0 errors of 12" in exact.stdout
    assert "allowed" not in exact.stdout


@pytest.mark.slow
@with_keystore
def test_lost_keystore_files_are_written_again(run: Run) -> None:
    assert run.command().returncode == 0
    lost = sorted((run.place / "keystore").iterdir())[3:5]
    for path in lost:
        path.unlink()
    checked = run.box.command("verify", str(run.scenario), "--dir", str(run.place), "--env", str(run.box.environment))
    assert checked.returncode == 1
    assert run.command().returncode == 0
    assert all(path.exists() for path in lost)
    assert run.steps()["keystore"] == (12, 0)


@with_keystore
def test_without_the_secret_of_its_accounts_a_run_writes_no_keys(run: Run) -> None:
    assert run.command("--until", "accounts").returncode == 0
    (run.place / "secret").write_text("ab" * 32)
    refused = run.command()
    assert refused.returncode == 4
    assert "restore the secret" in refused.stderr
    assert not list(run.place.glob("keystore/*.json"))


def test_a_step_for_which_nobody_is_ready_is_no_success(run: Run) -> None:
    idle = run.command("--only", "gift")
    assert idle.returncode == 3
    assert "step gift: 12 people pending of 12" in idle.stderr
    assert "registration" in idle.stderr


@pytest.mark.slow
def test_what_is_mined_needs_no_money_again(run: Run) -> None:
    """Even when the kill came before its outcome was written down: a signer with just enough would not get past it."""
    assert run.command().returncode == 0
    db = sqlite3.connect(run.place / "state.sqlite")
    db.execute("DELETE FROM outcomes WHERE step IN ('gift', 'gas', 'faucet')")
    db.commit()
    db.close()
    place = ("--dir", str(run.place), "--env", str(run.box.environment))
    plan = run.box.command("plan", str(run.scenario), "--format", "json", *place)
    assert plan.returncode == 0
    steps = {step["name"]: step for step in json.loads(plan.stdout)["steps"]}
    assert {steps[name]["transactions"] for name in ("gift", "gas", "faucet")} == {0}
    assert run.command().returncode == 0
    assert run.report()["transactions"]["gas"] == {"mined": 12}


@with_keystore
def test_what_the_system_refuses_in_the_middle_of_a_run_is_in_its_report_as_it_was_told(run: Run) -> None:
    run.place.mkdir(parents=True)
    (run.place / "keystore").write_text("a file where a folder has to be")
    refused = run.command()
    assert refused.returncode == run.report()["exit_code"] == 2
    assert f"cannot use {run.place / 'keystore'}: not a folder" in refused.stderr
    (run.place / "keystore").unlink()
    assert run.command().returncode == 0
