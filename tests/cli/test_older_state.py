"""A run directory with an older state, or without one: nobody is paid again, and the run finishes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import TRANSFER
from cicscenario.sandbox import stack
from tests.support.sandboxes import Run, Sandbox, gifts_since, needs_anvil, send_from

STAGES = ["population", "accounts", "registration", "gift"]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("box")
    yield Sandbox(home, stack.up(home, services=stack.CHAIN_ONLY).environment)
    stack.down(home, purge=True)


@pytest.fixture
def run(box: Sandbox, scenario: Path, tmp_path: Path) -> Run:
    return Run(box, scenario, tmp_path / "runs" / "small")


def put_back(run: Run, copy: Path) -> None:
    for path in run.place.glob("state.sqlite*"):
        path.unlink()
    shutil.copy(copy, run.place / "state.sqlite")


def sent(run: Run) -> int:
    session = run.box.session()
    return int(session.rpc.call("eth_getTransactionCount", to_hex(session.signer.address), "latest"), 16)


def finished_with_copies(run: Run, folder: Path, *stages: str) -> int:
    """A run that is through, with copies of its state at these stages. Gives the signer's number of transactions."""
    for stage in stages:
        assert run.command("--until", stage).returncode == 0
        shutil.copy(run.place / "state.sqlite", folder / stage)
    done = run.command()
    assert done.returncode == 0, done.stderr
    return sent(run)


def holds(run: Run, first: int, after: int) -> None:
    """Everybody was paid once, nothing else was sent, and the report is that of a run that never broke."""
    again = run.command()
    assert again.returncode == 0, again.stderr
    gifts = gifts_since(run.box, first)
    assert {account: gifts[account] for account in run.given()} == run.given()
    assert sent(run) == after
    assert set(run.errors().values()) == {(0, 12)}
    assert {name: counts["mined"] for name, counts in run.report()["transactions"].items()} == {
        "registration": 12, "gift": len(run.given()), "gas": 12, "faucet": 12,
    }  # fmt: skip


@pytest.mark.slow
def test_a_copy_from_before_the_gifts_pays_nobody_again(run: Run, tmp_path: Path) -> None:
    first = run.box.block()
    after = finished_with_copies(run, tmp_path, "registration")
    put_back(run, tmp_path / "registration")
    holds(run, first, after)


@pytest.mark.slow
def test_copies_of_other_stages_pay_nobody_again(run: Run, tmp_path: Path) -> None:
    first = run.box.block()
    after = finished_with_copies(run, tmp_path, *STAGES)
    for stage in STAGES:
        put_back(run, tmp_path / stage)
        holds(run, first, after)


@pytest.mark.slow
@needs_anvil
def test_a_node_that_keeps_old_states_leads_to_the_same(
    sandbox_of: Callable[..., Sandbox], scenario: Path, tmp_path: Path
) -> None:
    run = Run(sandbox_of("anvil"), scenario, tmp_path / "runs" / "small")
    first = run.box.block()
    after = finished_with_copies(run, tmp_path, "accounts", "registration")
    for stage in ("accounts", "registration"):
        put_back(run, tmp_path / stage)
        holds(run, first, after)


@pytest.mark.slow
def test_a_state_that_was_deleted_pays_nobody_again(run: Run) -> None:
    """The accounts follow from the directory's secret, and with them what has been sent."""
    first = run.box.block()
    after = finished_with_copies(run, run.place)
    for path in run.place.glob("state.sqlite*"):
        path.unlink()
    holds(run, first, after)


@pytest.mark.slow
def test_a_state_that_lost_its_log_pays_nobody_again(run: Run) -> None:
    first = run.box.block()
    process = run.start("--set", "backend.keystore.kdf=none")
    run.when("SELECT 1 FROM ledger WHERE status = 'mined'")
    process.kill()
    process.communicate()
    (run.place / "state.sqlite-wal").unlink(missing_ok=True)
    (run.place / "state.sqlite-shm").unlink(missing_ok=True)
    done = run.command("--set", "backend.keystore.kdf=none")
    assert done.returncode == 0, done.stderr
    gifts = gifts_since(run.box, first)
    assert {account: gifts[account] for account in run.given()} == run.given()
    assert set(run.errors().values()) == {(0, 12)}


@pytest.mark.slow
def test_without_its_secret_an_older_state_stops_before_anything_is_sent(run: Run, tmp_path: Path) -> None:
    """The accounts that were paid cannot be told from those of others."""
    after = finished_with_copies(run, tmp_path, "population")
    put_back(run, tmp_path / "population")
    (run.place / "secret").unlink()
    refused = run.command()
    assert refused.returncode == 5, refused.stderr
    assert "nothing was sent" in refused.stderr
    assert "it may be the " in refused.stderr
    assert "--fresh" not in refused.stderr
    assert sent(run) == after


@pytest.mark.slow
def test_what_the_operator_sent_meanwhile_is_nobodys_gift(run: Run, tmp_path: Path) -> None:
    first = run.box.block()
    after = finished_with_copies(run, tmp_path, "registration")
    session = run.box.session()
    data = pack(TRANSFER, b"\x98" * 20, session.contracts.token.base_units(3))
    send_from(session, session.signer._key.secret, session.contracts.token.address, data=data)
    put_back(run, tmp_path / "registration")
    holds(run, first, after + 1)
