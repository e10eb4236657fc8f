"""Every check finds what it is there to find: each world is broken on the chain or on the disk, and the check turns red."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cicscenario.chain.abi import pack, selector
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.signer import derive_key
from cicscenario.sandbox import stack
from cicscenario.state.store import Store
from tests.support.sandboxes import CLASSIC_AT_ONCE, Sandbox, send_from, small_scenario

ALL = ("accounts_index", "gas", "faucet", "balance", "keystore")


def verify(box: Sandbox, scenario: Path, *more: str) -> tuple[int, dict[str, int], str]:
    """Exit code, errors by check, and what was printed."""
    done = box.command("verify", str(scenario), *more)
    report = json.loads((box.home / "runs" / "small" / "report.json").read_text())
    return done.returncode, {c["name"]: c["errors"] for c in report["checks"] if c["errors"]}, done.stdout + done.stderr


@pytest.fixture
def kdf() -> str:
    return "light"


@dataclass
class Arrived:
    """A sandbox in which twelve people have arrived, and what brings it back to that: a mark on the chain, and a copy."""

    box: Sandbox
    runs: Path
    mark: str

    def again(self) -> Sandbox:
        """The sandbox as it was before any test broke something in it."""
        rpc = self.box.session().rpc
        assert rpc.call("evm_revert", self.mark)
        self.mark = rpc.call("evm_snapshot")
        shutil.rmtree(self.box.home / "runs")
        shutil.copytree(self.runs, self.box.home / "runs")
        return self.box


@pytest.fixture(scope="module", params=CLASSIC_AT_ONCE)
def arrived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arrived]:
    """One for all tests of a generation."""
    home = tmp_path_factory.mktemp("checks")
    scenario = home / "small.yaml"
    scenario.write_text(small_scenario("light"))
    try:
        box = Sandbox(home, stack.up(home, contracts=request.param).environment)
        ran = box.command("run", str(scenario))
        assert ran.returncode == 0, ran.stderr
        shutil.copytree(home / "runs", home / "as-they-arrived")
        yield Arrived(box, home / "as-they-arrived", box.session().rpc.call("evm_snapshot"))
    finally:
        stack.down(home, purge=True)


@pytest.fixture
def done(arrived: Arrived) -> Sandbox:
    """Twelve people who all arrived, and whom no other test has touched."""
    return arrived.again()


def key_of(box: Sandbox, person: int) -> bytes:
    return derive_key(bytes.fromhex((box.home / "runs" / "small" / "secret").read_text()), person)


@pytest.mark.slow
def test_someone_the_chain_does_not_know_fails_every_check(done: Sandbox, scenario: Path) -> None:
    store = Store(done.home / "runs" / "small" / "state.sqlite")
    store.commit("accounts", [], addresses=[(3, b"\x77" * 20)])
    store.close()
    code, errors, said = verify(done, scenario)
    assert code == 1
    assert errors == dict.fromkeys(ALL, 1)
    assert "accounts_index: 1 error of 12; first: person 3: not registered in the accounts index" in said


@pytest.mark.parametrize("units", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_a_balance_that_is_off_by_a_base_unit_is_found(done: Sandbox, scenario: Path, units: int) -> None:
    session = done.session()
    token = session.contracts.token.address
    send_from(session, key_of(done, 4), token, pack(TRANSFER, session.signer.address, units))
    code, errors, said = verify(done, scenario)
    assert (code, errors) == (1, {"balance": 1})
    assert "person 4: GFT balance is" in said
    assert verify(done, scenario, "--exclude", "balance")[0] == 0


def test_an_account_without_gas_is_found(done: Sandbox, scenario: Path) -> None:
    session = done.session()
    has = 10**15
    send_from(session, key_of(done, 0), session.signer.address, value=has - 21_000 * 10**9, gas=21_000)
    assert verify(done, scenario)[:2] == (1, {"gas": 1})


def test_an_unused_faucet_is_found(sandbox: Sandbox, scenario: Path) -> None:
    """Everybody is given by hand what the faucet would have paid: only the faucet check can tell."""
    assert sandbox.command("run", str(scenario), "--set", "faucet=false").returncode == 0
    session = sandbox.session()
    assert session.contracts.faucet
    store = Store(sandbox.home / "runs" / "small" / "state.sqlite")
    signer = bytes.fromhex((sandbox.home / "sandbox" / "signer.key").read_text())
    for person in store.all_people():
        assert person.address
        data = pack(TRANSFER, person.address, session.contracts.faucet.amount)
        send_from(session, signer, session.contracts.token.address, data)
    document = json.loads(store.meta()["scenario"]) | {"faucet": True}
    store.set_meta({"scenario": json.dumps(document, sort_keys=True)})
    store.close()
    assert verify(sandbox, scenario)[:2] == (1, {"faucet": 12})


@pytest.mark.parametrize("damage", ["missing", "truncated", "another's", "readable"])
def test_a_damaged_keystore_file_is_found(done: Sandbox, scenario: Path, damage: str) -> None:
    files = sorted((done.home / "runs" / "small" / "keystore").iterdir())
    if damage == "missing":
        files[0].unlink()
    elif damage == "truncated":
        files[0].write_text(files[0].read_text()[:100])
    elif damage == "another's":
        files[0].write_text(files[1].read_text())
    else:
        files[0].chmod(0o644)
    assert verify(done, scenario)[:2] == (1, {"keystore": 1})


def test_an_unknown_check_is_an_error_that_names_it(sandbox: Sandbox, scenario: Path) -> None:
    refused = sandbox.command("verify", str(scenario), "--include", "balanse")
    assert refused.returncode == 2
    assert "unknown check: balanse" in refused.stderr
    assert "accounts_index, gas, faucet, traffic, balance, statement, keystore" in refused.stderr


def test_people_who_were_never_made_are_errors(done: Sandbox, scenario: Path) -> None:
    code, errors, said = verify(done, scenario, "--set", "population.size=20")
    assert code == 1
    assert errors == dict.fromkeys(ALL, 8)
    assert "person 12: has not been made yet" in said


@pytest.mark.slow
@pytest.mark.parametrize("contracts", CLASSIC_AT_ONCE)
def test_demurrage_is_allowed_for_and_said(sandbox_of: Callable[..., Sandbox], tmp_path: Path, contracts: str) -> None:
    box = sandbox_of("embedded", contracts)
    path = tmp_path / "shrinking.yaml"
    path.write_text(
        "version: 1\nname: small\npopulation: {size: 10}\ngift: {threshold: 900, token: DET}\nenvironment: sandbox\n"
    )
    session = box.session()
    session.rpc.call("evm_increaseTime", 86_400 * 3)
    session.rpc.call("evm_mine")
    ran = box.command("run", str(path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "balance: 0 errors of 10 (allowed: DET -0.00" in ran.stdout
    session.rpc.call("evm_increaseTime", 86_400 * 30)
    session.rpc.call("evm_mine")
    code, errors, said = verify(box, path)
    assert (code, errors) == (0, {})
    assert "(allowed: DET -2.0" in said
    # The bound is one: two per cent less than that is found.
    token = box.session("DET").contracts.token.address
    store = Store(box.home / "runs" / "small" / "state.sqlite")
    richest = max(store.all_people(), key=lambda person: person.gift)
    store.close()
    send_from(session, key_of(box, richest.id), token, pack(TRANSFER, session.signer.address, richest.gift * 20_000))
    assert verify(box, path)[:2] == (1, {"balance": 1})


def test_selectors_are_those_of_the_contracts() -> None:
    assert selector("have(address)").hex() == "3ef25013"
    assert selector("addressOf(bytes32)").hex() == "bb34534c"
    assert selector("cooldown(address)").hex() == "b222e0c2"
    assert selector("check(address)").hex() == "c23697a8"
    assert selector("demurrageAmount()").hex() == "09f28f3c"
