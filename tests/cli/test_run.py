"""``cicscenario run`` from end to end, as a user runs it: real contracts, real transactions, processes of its own."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cicscenario.chain.abi import to_hex
from cicscenario.resources import load_schema
from cicscenario.sandbox import stack
from tests.support.commands import cicscenario, command_environment, command_line
from tests.support.sandboxes import GENERATIONS, NODES, Run, Sandbox, with_keystore

ALL_CHECKS = ["accounts_index", "gas", "faucet", "balance", "keystore"]
SENDING = "SELECT 1 FROM ledger"


def run_of(box: Sandbox, scenario: Path) -> Run:
    """The scenario's run where it lies when nobody says where."""
    return Run(box, scenario, box.home / "runs" / "small")


def report(home: Path, name: str = "small") -> dict:
    document = json.loads((home / "runs" / name / "report.json").read_text())
    Draft202012Validator(load_schema("report-v1")).validate(document)
    return document


def events_a_person(box: Sandbox) -> dict[str, Counter[str]]:
    """Calls that succeeded on chain, counted by the person's address: registrations, gifts, faucet uses, gas."""
    session = box.session()
    contracts = session.contracts
    assert contracts.faucet
    counted: dict[str, Counter[str]] = {name: Counter() for name in ("registration", "gift", "faucet", "gas")}
    newest = int(session.rpc.call("eth_blockNumber"), 16)
    signer = to_hex(session.signer.address)
    places = {
        (to_hex(contracts.accounts_index), "0x0a3b0a4f"): "registration",
        (to_hex(contracts.token.address), "0xa9059cbb"): "gift",
        (to_hex(contracts.faucet.address), "0x63e4bff4"): "faucet",
    }
    for number in range(newest + 1):
        for sent in session.rpc.call("eth_getBlockByNumber", hex(number), True)["transactions"]:
            receipt = session.rpc.call("eth_getTransactionReceipt", sent["hash"])
            if sent["from"] != signer or int(receipt["status"], 16) != 1 or sent["to"] is None:
                continue
            if sent["input"] == "0x":
                counted["gas"][sent["to"]] += 1
            elif kind := places.get((sent["to"], sent["input"][:10])):
                counted[kind]["0x" + sent["input"][34:74]] += 1
    return counted


def people(home: Path, name: str = "small") -> list[str]:
    db = sqlite3.connect(home / "runs" / name / "state.sqlite")
    rows = db.execute("SELECT address, gift FROM people ORDER BY id").fetchall()
    db.close()
    return [("0x" + address.hex(), gift) for address, gift in rows]


@with_keystore
def test_one_command_fills_a_chain_and_proves_it(tmp_path: Path, scenario: Path) -> None:
    done = cicscenario(tmp_path / "home", "run", str(scenario))
    assert done.returncode == 0, done.stdout + done.stderr
    for check in ALL_CHECKS:
        assert f"{check}: 0 errors of 12" in done.stdout
    assert [(s["ok"], s["failed"], s["pending"]) for s in report(tmp_path / "home")["steps"]] == [(12, 0, 0)] * 7
    assert [service.state for service in stack.status(tmp_path / "home")] == ["down"]  # it ended what it had started


@with_keystore
@pytest.mark.slow
@pytest.mark.parametrize("contracts", GENERATIONS)
@pytest.mark.parametrize("node", NODES)
def test_both_generations_on_both_nodes(
    sandbox_of: Callable[..., Sandbox], scenario: Path, node: str, contracts: str
) -> None:
    box = sandbox_of(node, contracts)
    done = box.command("run", str(scenario))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(c["name"], c["errors"], c["total"]) for c in report(box.home)["checks"]] == [
        (n, 0, 12) for n in ALL_CHECKS
    ]
    assert report(box.home)["transactions"] == {
        name: {"mined": number}
        for name, number in Counter(
            registration=12, faucet=12, gas=12, gift=sum(1 for _, gift in people(box.home) if gift)
        ).items()
    }


@with_keystore
def test_run_again_does_nothing_and_says_so(sandbox: Sandbox, scenario: Path) -> None:
    assert sandbox.command("run", str(scenario)).returncode == 0
    before = sandbox.session().rpc.call("eth_blockNumber")
    again = sandbox.command("run", str(scenario))
    assert again.returncode == 0
    assert "nothing to do: 12 of 12 people" in again.stdout
    assert sandbox.session().rpc.call("eth_blockNumber") == before


@with_keystore
def test_a_larger_population_continues_with_the_new_people_only(sandbox: Sandbox, scenario: Path) -> None:
    assert sandbox.command("run", str(scenario)).returncode == 0
    first = people(sandbox.home)
    grown = sandbox.command("run", str(scenario), "--set", "population.size=15")
    assert grown.returncode == 0, grown.stderr
    assert people(sandbox.home)[:12] == first
    assert report(sandbox.home)["transactions"]["registration"] == {"mined": 15}


@pytest.mark.slow
def test_a_state_that_is_not_this_scenarios_is_refused(sandbox: Sandbox, scenario: Path) -> None:
    assert sandbox.command("run", str(scenario), "--only", "population").returncode == 0
    others = {"population.seed=6": "population.seed", "gift.threshold=1": "gift.threshold", "population.size=3": "size"}
    for change, named in others.items():
        refused = sandbox.command("run", str(scenario), "--set", change)
        assert refused.returncode == 4
        assert named in refused.stderr
    assert sandbox.command("run", str(scenario)).returncode == 0


@pytest.mark.slow
def test_a_state_of_another_chain_is_refused(tmp_path: Path, scenario: Path) -> None:
    home = tmp_path / "home"
    assert cicscenario(home, "run", str(scenario), "--only", "population").returncode == 0
    stack.down(home, purge=True)
    refused = cicscenario(home, "run", str(scenario), "--only", "population")
    assert refused.returncode == 4
    assert "genesis" in refused.stderr


@pytest.mark.slow
def test_two_runs_of_one_signer_do_not_meet(sandbox: Sandbox, scenario: Path) -> None:
    first = subprocess.Popen(
        command_line("run", str(scenario), "--set", "population.size=300"), env=command_environment(sandbox.home)
    )
    try:
        run_of(sandbox, scenario).when(SENDING)
        first.send_signal(signal.SIGSTOP)  # in the middle of it, for as long as it takes
        second = sandbox.command("run", str(scenario), "--dir", str(sandbox.home / "elsewhere"))
        assert second.returncode == 4
        assert "the signer 0x" in second.stderr
        assert str(first.pid) in second.stderr
    finally:
        first.kill()
        first.wait()


@pytest.mark.slow
def test_interrupted_it_saves_and_resumes(sandbox: Sandbox, scenario: Path) -> None:
    size = ["--set", "population.size=400"]
    first = subprocess.Popen(
        command_line("run", str(scenario), *size),
        env=command_environment(sandbox.home),
        stderr=subprocess.PIPE,
        text=True,
    )
    run_of(sandbox, scenario).when(SENDING)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130, said
    assert re.search(r"\n  step \w+: \d+ ok, 0 failed, \d+ pending of 400\n", said), said
    assert f"  resume: cicscenario run {scenario} --set population.size=400\n" in said
    assert sandbox.command("run", str(scenario), *size).returncode == 0
    assert set(events_a_person(sandbox)["gas"].values()) == {1}


@pytest.mark.slow
def test_killed_again_and_again_everybody_is_paid_once(sandbox: Sandbox, scenario: Path) -> None:
    """Twenty SIGKILLs at random moments; then one gift, one faucet call, one registration, one gas gift a person."""
    size, draw = 300, random.Random()
    arguments = command_line(
        "run", str(scenario), "--set", f"population.size={size}", "--set", "backend.keystore.kdf=none"
    )
    moments = []
    for _ in range(20):
        moments.append(draw.uniform(0.8, 3.5))
        process = subprocess.Popen(
            arguments, env=command_environment(sandbox.home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(moments[-1])
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    done = subprocess.run(arguments, env=command_environment(sandbox.home), capture_output=True, text=True)
    assert done.returncode == 0, f"killed after {moments}: {done.stdout}{done.stderr}"
    counted = events_a_person(sandbox)
    everybody = people(sandbox.home)
    assert counted["registration"] == Counter(address for address, _ in everybody), moments
    assert counted["gas"] == Counter(address for address, _ in everybody), moments
    assert counted["faucet"] == Counter(address for address, _ in everybody), moments
    gifted = Counter({a: n for a, n in counted["gift"].items() if a in dict(everybody)})
    assert gifted == Counter(address for address, gift in everybody if gift), moments


def test_a_chain_that_is_not_there_is_a_message(tmp_path: Path, scenario: Path) -> None:
    where = tmp_path / "nowhere.yaml"
    (tmp_path / "key").write_text("11" * 32)
    where.write_text(
        "version: 1\nname: nowhere\nchain:\n  rpc: http://127.0.0.1:9\n  spec: evm:byzantium:8996:bloxberg\n"
        f"  registry: '0x{'00' * 20}'\n  signer: {{private_key: 'file:key'}}\n"
    )
    done = cicscenario(tmp_path / "home", "run", str(scenario), "--env", str(where))
    assert done.returncode == 3
    assert "chain node http://127.0.0.1:9 does not answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert "11" * 32 not in done.stderr


@with_keystore
def test_no_secret_is_written_where_it_should_not_be(sandbox: Sandbox, scenario: Path) -> None:
    done = sandbox.command("run", str(scenario))
    place = sandbox.home / "runs" / "small"
    secrets = [
        (place / "secret").read_text(),
        (place / "keystore.password").read_text(),
        (sandbox.home / "sandbox" / "signer.key").read_text(),
    ]
    held = [path for path in place.rglob("*") if path.is_file() and path.name not in ("secret", "keystore.password")]
    assert len(held) > 12
    for secret in secrets:
        assert secret not in done.stdout + done.stderr
        assert not any(
            secret.encode() in path.read_bytes() or bytes.fromhex(secret) in path.read_bytes() for path in held
        )
    for path in (place / "secret", place / "keystore.password", *(place / "keystore").iterdir()):
        assert path.stat().st_mode & 0o077 == 0
