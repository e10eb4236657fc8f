"""People pay each other with their own keys: each payment once, whatever happens, and what was not made is found."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from cicscenario.capabilities.payments import PAYMENTS
from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import BALANCE_OF, TRANSFER, eth_call
from cicscenario.chain.reading import numbers
from cicscenario.chain.signer import address_of, derive_key
from cicscenario.state.store import STATE, Store
from tests.oracle import Baseline, baseline, judge, place_of
from tests.support.killed_runs import kill_world
from tests.support.sandboxes import NODES, Run, Sandbox, send_from
from tests.support.states import alter

SCENARIO = """
version: 1
name: small
population: {size: 12, seed: 5}
gift: {threshold: 200}
gas: 10000000000000000
backend: {kind: eth, keystore: {kdf: none}}
traffic: {payments: 60, span: 30 days, overdrafts: 10%}
environment: sandbox
"""

THIEF = b"\x55" * 32  # the key of somebody who is nobody of the run


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def run(sandbox: Sandbox, scenario: Path) -> Run:
    return Run(sandbox, scenario, sandbox.home / "runs" / "small")


def since(box: Sandbox) -> Baseline:
    return baseline(place_of(box.environment, to_hex(box.session().signer.address)))


def findings(run: Run, since: Baseline) -> list[str]:
    """What the independent checker finds."""
    place = place_of(run.box.environment, to_hex(run.box.session().signer.address))
    return judge(run.scenario, place, run.place, since).lines()


def payer_of_gifts(box: Sandbox) -> bytes:
    """The key of the scenario's signer, who has tokens."""
    return bytes.fromhex((box.home / "sandbox" / "signer.key").read_text().strip().removeprefix("0x"))


def key(run: Run, person: int) -> bytes:
    return derive_key(bytes.fromhex((run.place / "secret").read_text().strip()), person)


def lines(run: Run) -> list[list[str]]:
    """What ``payments.csv`` has below its head."""
    return [line.split(",") for line in (run.place / "payments.csv").read_text().splitlines()[1:]]


def graph_is_that_of_the_list(run: Run) -> None:
    """``payments.graphml`` has the lines of ``payments.csv``, and what the chain says that everybody has."""
    space = {"g": "http://graphml.graphdrawing.org/xmlns"}
    graph = ElementTree.parse(run.place / "payments.graphml").getroot()
    held = {
        kind: {one.get("id"): [data.text for data in one] for one in graph.iterfind(f"g:graph/g:{kind}", space)}
        for kind in ("node", "edge")
    }
    parties = [(one.get("source"), one.get("target")) for one in graph.iterfind("g:graph/g:edge", space)]
    assert list(held["edge"].values()) == [[line[0], line[4], line[1], line[5]] for line in lines(run)]
    assert parties == [(f"n{line[2]}", f"n{line[3]}") for line in lines(run)]
    chain, token = run.box.session(), run.report()["chain"]["token"]
    calls = [
        eth_call(bytes.fromhex(token.removeprefix("0x")), pack(BALANCE_OF, address_of(key(run, n)))) for n in range(12)
    ]
    assert [int(held["node"][f"n{n}"][-1]) for n in range(12)] == numbers(chain.rpc, calls)


def verify(run: Run) -> dict[str, int]:
    """Errors by check, of those that have any."""
    run.box.command("verify", str(run.scenario), "--dir", str(run.place), "--env", str(run.box.environment))
    return {name: errors for name, (errors, _) in run.errors().items() if errors}


@pytest.mark.parametrize("node", NODES)
def test_each_payment_is_made_once_and_everybody_has_what_the_plan_says(
    sandbox_of: Callable[..., Sandbox], scenario: Path, node: str
) -> None:
    box = sandbox_of(node)
    run, before = Run(box, scenario, box.home / "runs" / "small"), since(box)
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "traffic: 0 errors of 12" in done.stdout
    assert findings(run, before) == []
    assert run.report()["transactions"]["traffic"] == {"mined": 54, "failed": 6}
    assert [line[5] for line in lines(run)].count("refused") == 6
    assert [int(line[1]) for line in lines(run)] == [number * 30 // 60 for number in range(60)]
    graph_is_that_of_the_list(run)
    height = box.block()
    again = run.command()
    assert "nothing to do: 12 of 12 people" in again.stdout
    assert box.block() == height


@pytest.mark.parametrize(("kind", "whose"), [("paid", "payee"), ("refused", "payee"), ("paid", "payer")])
def test_a_payment_is_not_sent_again_when_the_state_has_lost_it_and_an_account(run: Run, kind: str, whose: str) -> None:
    """What a repair of the state makes again has no account before the next run has begun."""
    before = since(run.box)
    assert run.command().returncode == 0
    last = {line[2]: line for line in lines(run)}  # of each payer
    number, _, payer, payee, *_ = next(line for line in last.values() if line[5] == kind)
    alter(run.place / STATE, "people", f"id = {payer if whose == 'payer' else payee}", "phone", "+254700000000")
    alter(run.place / STATE, "ledger", f"purpose = 'traffic/{number}'", "detail", "damaged")
    place = ("--dir", str(run.place), "--env", str(run.box.environment))
    repaired = run.box.command("state", "repair", str(run.scenario), *place)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings(run, before) == []


def test_the_plan_counts_the_payments_and_not_their_gas_among_what_the_signer_needs(run: Run) -> None:
    arguments = ("plan", str(run.scenario), "--dir", str(run.place), "--env", str(run.box.environment))
    plan = yaml.safe_load(run.box.command(*arguments, "--format", "json").stdout)
    (step,) = [step for step in plan["steps"] if step["name"] == "traffic"]
    assert (step["transactions"], step["sender"]) == (60, "people")
    own = sum(
        one["gas"] * run.box.session().gas_price + one["native"] for one in plan["steps"] if one["sender"] == "signer"
    )
    (native,) = [need for need in plan["needs"] if need["what"] == "native currency"]
    assert int(native["needed"]) == own
    assert run.command().returncode == 0
    plan = yaml.safe_load(run.box.command(*arguments, "--format", "json").stdout)
    assert plan["totals"] == {"to_do": 0, "done": 12 * 7, "transactions": 0, "gas": 0}


def test_too_little_gas_for_the_payments_is_refused_with_the_figure_before_anything_is_sent(run: Run) -> None:
    height = run.box.block()
    done = run.command("--set", "gas=1000")
    assert done.returncode == 3
    assert "`gas` for" in done.stderr
    assert "has 1,000 wei" in done.stderr
    needed = done.stderr.partition("set `gas: ")[2].partition("`")[0]
    assert run.box.block() == height
    assert run.command("--set", f"gas={needed}").returncode == 0


def test_payments_can_be_added_to_people_who_are_there_and_then_are_as_they_are(run: Run) -> None:
    document = yaml.safe_load(SCENARIO)
    del document["traffic"]
    run.scenario.write_text(yaml.safe_dump(document))
    before = since(run.box)
    assert run.command().returncode == 0
    run.scenario.write_text(SCENARIO)
    assert run.command().returncode == 0
    assert findings(run, before) == []
    for change in ("traffic.payments=70", "population.size=13"):
        done = run.command("--set", change)
        assert done.returncode == 4, change
        assert "traffic.payments" in done.stderr or "the payments between 12 people have begun" in done.stderr
    run.scenario.write_text(yaml.safe_dump(document))
    assert run.command().returncode == 4


def test_payments_at_a_rate_are_not_sooner_and_their_number_stays(run: Run) -> None:
    before = since(run.box)
    run.scenario.write_text(SCENARIO.replace("payments: 60", "duration: 3, rate: 20"))
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert run.report()["transactions"]["traffic"] == {"mined": 54, "failed": 6}
    (step,) = [step for step in run.report()["steps"] if step["name"] == "traffic"]
    assert step["seconds"] > 59 / 20, "the last one is due then"
    assert findings(run, before) == []
    assert run.command("--set", "traffic.duration=4", "--set", "traffic.rate=15").returncode == 4, (
        "its duration may not"
    )
    run.scenario.write_text(SCENARIO.replace("payments: 60", "duration: 3, rate: 20"))
    assert run.command("--set", "traffic.rate=21").returncode == 4, "nor the number that it makes of it"


def test_the_rate_of_payments_that_have_begun_may_change(run: Run) -> None:
    assert run.command("--set", "traffic.rate=1000").returncode == 0
    assert run.command("--set", "traffic.rate=2000").returncode == 0
    assert run.command().returncode == 0


def test_payments_that_would_be_planned_otherwise_now_are_not_begun(run: Run) -> None:
    assert run.command("--until", "gas").returncode == 0
    store = Store(run.place / STATE)
    store.set_meta({PAYMENTS: f"12 {'0' * 64}"})
    store.close()
    height = run.box.block()
    done = run.command()
    assert done.returncode == 4
    assert "are not those that the run began with" in done.stderr
    assert run.box.block() == height


def test_before_the_payments_are_made_the_checks_say_that_they_are_missing(run: Run) -> None:
    assert run.command("--until", "gas").returncode == 0
    found = verify(run)
    assert found["traffic"] > 0
    assert found["balance"] > 0
    assert run.command().returncode == 0
    assert verify(run) == {}


def test_a_payment_that_was_made_twice_is_found(run: Run) -> None:
    assert run.command().returncode == 0
    _, _, payer, payee, amount, _, _ = next(line for line in reversed(lines(run)) if line[5] == "paid")
    session = run.box.session()
    account = bytes.fromhex(run.addresses()[int(payee)][2:])
    send_from(session, run.box.owner, bytes.fromhex(run.addresses()[int(payer)][2:]), value=10**17)
    token = session.contracts.token
    send_from(session, payer_of_gifts(run.box), token.address, pack(TRANSFER, account, 1))  # no payment of a person
    assert "traffic" not in verify(run)
    fund = pack(TRANSFER, bytes.fromhex(run.addresses()[int(payer)][2:]), int(amount))
    send_from(session, payer_of_gifts(run.box), token.address, fund)
    send_from(session, key(run, int(payer)), token.address, pack(TRANSFER, account, int(amount)))
    assert verify(run)["traffic"] == 1
    where = ("--dir", str(run.place), "--env", str(run.box.environment))
    repaired = run.box.command("repair", str(run.scenario), *where, "--yes")
    assert "payments are never repaired" in repaired.stdout + repaired.stderr


def test_a_payment_that_should_have_been_refused_and_was_carried_out_is_found(run: Run) -> None:
    assert run.command().returncode == 0
    _, _, payer, payee, amount, _, _ = next(line for line in lines(run) if line[5] == "refused")
    session = run.box.session()
    token, account = session.contracts.token.address, bytes.fromhex(run.addresses()[int(payer)][2:])
    send_from(session, payer_of_gifts(run.box), token, pack(TRANSFER, account, int(amount)))
    send_from(session, run.box.owner, account, value=10**17)
    to = bytes.fromhex(run.addresses()[int(payee)][2:])
    send_from(session, key(run, int(payer)), token, pack(TRANSFER, to, int(amount)))
    assert verify(run)["traffic"] == 1


def test_what_a_chain_that_went_back_has_lost_is_paid_again_once(run: Run) -> None:
    before = since(run.box)
    assert run.command("--until", "gas").returncode == 0
    rpc = run.box.session().rpc
    kept = rpc.call("evm_snapshot")
    assert run.command().returncode == 0
    assert rpc.call("evm_revert", kept)
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings(run, before) == []


def test_an_older_copy_of_the_run_pays_nobody_twice(run: Run, tmp_path: Path) -> None:
    before = since(run.box)
    assert run.command("--until", "gas").returncode == 0
    shutil.copytree(run.place, tmp_path / "older")
    assert run.command().returncode == 0
    shutil.rmtree(run.place)
    shutil.copytree(tmp_path / "older", run.place)
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings(run, before) == []


def test_who_lost_their_tokens_fails_and_all_others_pay_and_it_goes_on_when_they_are_back(run: Run) -> None:
    before = since(run.box)
    assert run.command("--until", "gas").returncode == 0
    session = run.box.session()
    token = session.contracts.token.address
    poor = 3
    account = bytes.fromhex(run.addresses()[poor][2:])
    (held,) = numbers(session.rpc, [eth_call(token, pack(BALANCE_OF, account))])
    send_from(session, key(run, poor), token, pack(TRANSFER, address_of(THIEF), held))
    done = run.command()
    assert done.returncode == 3, done.stdout + done.stderr
    ok, failed = run.steps()["traffic"]
    if ok:  # else the first payment of all was theirs, and none was sent
        assert failed >= 1
        assert f"person {poor}" in done.stderr or "waits for tokens of a payment that failed" in done.stderr
    send_from(session, run.box.owner, address_of(THIEF), value=10**17)
    send_from(session, THIEF, token, pack(TRANSFER, account, held))
    done = run.command()
    assert done.returncode == 0, done.stdout + done.stderr
    left = [found for found in findings(run, before) if "transaction" not in found and " has sent " not in found]
    assert left == [], "but for the transfer by hand, and what failed then"
    paid = [line for line in lines(run) if line[5] == "paid"]
    assert len(paid) == 54


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_killed_three_times_at_random_moments_pays_each_payment_once(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    with kill_world("eth_traffic", tmp_path, size=8) as world:
        undisturbed = world.run(seed=1000 + seed)
        whole = undisturbed.finish().seconds
        assert undisturbed.verdict().lines() == []
        run = world.run(seed=seed + 1)
        for _ in range(3):
            run.invoke(after=draw.uniform(0.3, 0.9) * whole)
        run.finish()
        assert run.by_hand == ""
        assert run.verdict().lines() == []
