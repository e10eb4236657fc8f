"""A scenario through the custodial engine, from end to end, and everything that can go wrong on the way."""

import contextlib
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cicscenario.chain.abi import pack, selector
from cicscenario.sandbox import stack
from cicscenario.state.store import Store
from tests.support.custodial_runs import ASKED, CUSTODIAL_STEPS, clean, ends_well, everybody_arrived
from tests.support.engine_repair import repair
from tests.support.running_engine import CHAIN_SPEC, RunningEngine
from tests.support.sandboxes import NODES, Run, Sandbox, gifts_since, registered_since, send_from
from tests.support.waiting import eventually

NOBODY = "0" * 40


def changed_environment(box: Sandbox, before: str, after: str) -> str:
    """An environment like the sandbox's, but for one thing."""
    text = box.environment.read_text()
    assert before in text
    path = box.environment.with_name("changed.yaml")
    path.write_text(text.replace(before, after))
    return str(path)


# --- the straight way -----------------------------------------------------------------------------------------------


def test_everybody_arrives_and_a_second_run_does_nothing_and_a_larger_one_the_rest(run: Run) -> None:
    since = run.box.block()
    ends_well(run, 12, since)
    assert run.report()["orphans"] == 0
    again = run.command()
    assert again.returncode == 0
    assert "nothing to do: 12 of 12 people" in again.stdout
    first = run.addresses()
    grown = run.command("--set", "population.size=15")
    assert grown.returncode == 0, grown.stderr
    assert run.addresses()[:12] == first
    everybody_arrived(run, 15, since)


@pytest.mark.slow
@pytest.mark.parametrize("node", [node for node in NODES if node != "embedded"])
def test_everybody_arrives_on_another_node(
    sandbox_of: Callable[..., Sandbox], custodial: Path, tmp_path: Path, node: str
) -> None:
    run = Run(sandbox_of(node, services=["custodial"]), custodial, tmp_path / "run")
    since = run.box.block()
    ends_well(run, 12, since)


# --- killed and resumed ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_ten_times_everybody_is_paid_once_and_nobody_else(run: Run) -> None:
    size, draw, since = 120, random.Random(), run.box.block()
    moments = []
    for _ in range(10):
        moments.append(draw.uniform(0.0, 1.2))
        process = run.start("--set", f"population.size={size}")
        assert process.stdout
        process.stdout.readline()  # the services have answered, and it begins
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments[-1])
        process.kill()
        process.communicate()
    done = run.command("--set", f"population.size={size}")
    assert done.returncode == 0, f"killed after {moments}: {done.stdout}{done.stderr}"
    everybody_arrived(run, size, since)
    made = registered_since(run.box, since).keys() - set(run.addresses())
    requests = run.rows("SELECT count(*) FROM requests")[0][0]
    assert len(made) <= run.report()["orphans"] == requests - size, moments


@pytest.mark.slow
def test_an_account_that_nobody_uses_is_counted_and_gets_no_gift(run: Run) -> None:
    """The engine forgets its results while the run is away: it cannot know of these accounts, and asks for others."""
    from redis import Redis

    since = run.box.block()
    environment = changed_environment(run.box, "  queue: cic-eth", "  queue: cic-eth\n  in_flight: 6")
    process = run.start("--env", environment)
    run.when(ASKED)
    process.kill()
    process.communicate()
    redis = Redis.from_url(run.box.environment.read_text().partition("broker: ")[2].split()[0])
    asked = [root for (root,) in run.rows("SELECT id FROM requests WHERE status = 'asked'")]
    sent = [root for root in asked if redis.exists(f"celery-task-meta-{root}") or redis.llen("cic-eth")]
    eventually(lambda: len(registered_since(run.box, since)) >= len(sent))
    redis.delete(*[f"celery-task-meta-{root}" for root in asked])
    redis.close()
    ends_well(run, 12, since)
    assert run.report()["orphans"] == len(asked) > 0
    strangers = registered_since(run.box, since).keys() - set(run.addresses())
    assert len(strangers) == len(sent)
    assert not strangers & gifts_since(run.box, since).keys()


# --- services that go away and come back ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("service", ["redis", "custodial"])
def test_a_service_killed_and_started_again_costs_at_most_another_run(run: Run, service: str) -> None:
    """A killed engine may leave a gap in the nonces of its own accounts, which an operator has to fill."""
    size, since = 40, run.box.block()
    more = ["--set", f"population.size={size}", "--set", "backend.patience=20"]
    process = run.start(*more)
    run.when(ASKED)
    run.box.kill(service)
    stack.up(run.box.home, services=["custodial"])
    _, said = process.communicate(timeout=240)
    if process.returncode:
        assert process.returncode == 3, said
        if service == "redis":
            stopped = ["Redis 127.0.0.1", "a worker has fetched its task"]  # the second when Redis was back soon enough
        else:
            stopped = ["cicscenario explain engine-standstill", "a worker has fetched its task"]
        assert any(words in said for words in stopped), said
        assert "resume: cicscenario run" in said
        assert "Traceback" not in said
        repair(RunningEngine(run.box.home))
        again = run.command(*more)
        assert again.returncode == 0, again.stdout + again.stderr
    everybody_arrived(run, size, since)
    assert run.report()["orphans"] == run.rows("SELECT count(*) FROM requests")[0][0] - size


@pytest.mark.slow
def test_an_engine_that_stays_away_is_waited_for_once_and_asked_for_nobody_else(run: Run) -> None:
    size, since = 50, run.box.block()
    environment = changed_environment(run.box, "  queue: cic-eth", "  queue: cic-eth\n  in_flight: 5")
    more = ["--set", f"population.size={size}", "--env", environment]
    process = run.start(*more, "--set", "backend.patience=5", "--until", "accounts")
    run.when("SELECT 1 FROM requests WHERE status = 'created'")
    run.box.kill("custodial")
    began = time.monotonic()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    assert time.monotonic() - began < 60
    done, failed = run.steps()["accounts"]
    assert done + failed == size
    # Some of one part had theirs when it was killed, and of the next part nobody got one.
    assert run.rows("SELECT count(DISTINCT person) FROM requests")[0][0] <= done + 2 * 5
    ((why,),) = run.rows("SELECT detail FROM outcomes WHERE step = 'accounts' AND NOT ok ORDER BY person DESC LIMIT 1")
    assert why.startswith("no account was requested: ")
    stack.up(run.box.home, services=["custodial"])
    repair(RunningEngine(run.box.home))
    ends_well(run, size, since, *more)


@pytest.mark.slow
def test_a_redis_that_stays_away_ends_the_run_with_advice_and_the_same_command_ends_it_right(run: Run) -> None:
    size, since = 40, run.box.block()
    process = run.start("--set", f"population.size={size}")
    run.when(ASKED)
    run.box.kill("redis")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    assert "Traceback" not in said
    assert "Redis 127.0.0.1" in said
    assert "is it running, and is `custodial.broker` in the environment file right?" in said
    assert "resume: cicscenario run" in said
    stack.up(run.box.home, services=["custodial"])
    repair(RunningEngine(run.box.home))
    ends_well(run, size, since, "--set", f"population.size={size}")


# --- what is missing is said before anything is changed --------------------------------------------------------------


@contextlib.contextmanager
def nothing_changes(run: Run) -> Iterator[None]:
    """Neither the state nor the chain."""
    before = run.box.block()
    yield
    assert run.rows("SELECT 1 FROM people UNION SELECT 1 FROM requests UNION SELECT 1 FROM outcomes") == []
    assert run.box.block() == before


def refused(run: Run, *more: str) -> str:
    """What ``run`` says, after making sure that it did nothing and that ``plan`` says the same."""
    arguments = run.arguments(*more)
    with nothing_changes(run), ThreadPoolExecutor(2) as both:
        done, planned = both.map(lambda verb: run.box.command(verb, *arguments[1:]), ("run", "plan"))
    assert (done.returncode, planned.returncode) == (3, 3), done.stdout + done.stderr
    said = clean(run.box, done)
    assert "nothing was changed, because these services cannot be used" in said
    what = said.partition("custodial: ")[2].splitlines()[0].split(";")[0]
    assert what
    assert f"MISSING custodial: needs an answer; has {what}" in clean(run.box, planned)
    return said


def test_the_services_that_a_scenario_needs_are_asked_first_and_the_plan_says_which_answer(run: Run) -> None:
    with nothing_changes(run):
        planned = run.box.command("plan", *run.arguments()[1:])
    assert planned.returncode == 0, planned.stderr
    assert "ok      chain: needs an answer; has http://127.0.0.1:" in planned.stdout
    assert "ok      custodial: needs an answer; has a worker takes tasks from the queue 'cic-eth' of" in planned.stdout


def test_an_environment_that_does_not_name_the_engine_is_refused(run: Run) -> None:
    without = run.box.environment.with_name("without.yaml")
    without.write_text(run.box.environment.read_text().partition("custodial:")[0])
    said = refused(run, "--env", str(without))
    assert "does not say where `custodial` is, which this scenario needs" in said
    assert "cicscenario explain environment.custodial" in said


def test_a_locked_engine_is_said(run: Run) -> None:
    run.box.ask_engine("cic_eth.admin.ctrl.lock", None, CHAIN_SPEC, NOBODY, 4)
    try:
        said = refused(run)
    finally:
        run.box.ask_engine("cic_eth.admin.ctrl.unlock", None, CHAIN_SPEC, NOBODY, 4)
    assert "account creation is locked" in said
    assert "cic-eth-ctl -i evm:byzantium:8996:bloxberg unlock CREATE" in said


def test_an_engine_of_another_chain_is_said(run: Run) -> None:
    said = refused(run, "--env", changed_environment(run.box, ":bloxberg", ":elsewhere"))
    assert "does not know the chain evm:byzantium:8996:elsewhere: it works on another one" in said
    assert "CHAIN_SPEC" in said


@pytest.mark.slow
def test_an_engine_that_is_not_there_is_said_and_so_is_a_redis(run: Run) -> None:
    run.box.kill("custodial")
    with nothing_changes(run):
        done = run.command()
    assert done.returncode == 3
    said = clean(run.box, done)
    assert "no worker takes tasks from the queue 'cic-eth'" in said
    assert "is the custodial engine's worker running" in said
    run.box.kill("redis")
    said = refused(run)
    assert "does not answer" in said
    assert "is `custodial.broker` in the environment file right?" in said


@pytest.mark.slow
@pytest.mark.parametrize("faults", [["custodial.signer-down"]])
def test_an_engine_without_its_signer_is_said(run: Run) -> None:
    said = refused(run)
    assert "the custodial engine cannot reach its signer" in said
    assert "is the signer running?" in said


# --- an engine that fails in the middle -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("faults", [["custodial.drop-callback=0.1", "custodial.duplicate-callback=0.5"]])
def test_callbacks_that_are_dropped_or_come_twice_change_nothing(run: Run) -> None:
    since = run.box.block()
    ends_well(run, 60, since, "--set", "population.size=60")
    assert run.report()["orphans"] == 0
    assert run.report()["faults"] == ["custodial.drop-callback=0.1", "custodial.duplicate-callback=0.5"]


@pytest.mark.slow
@pytest.mark.parametrize("faults", [["custodial.fail-task=cic_eth.eth.account.register"]])
def test_a_task_that_fails_names_the_people_and_the_exception_and_nobody_waits_for_them(run: Run) -> None:
    """When the engine is mended, the same command has the accounts registered that it made before."""
    since, began = run.box.block(), time.monotonic()
    done = run.command("--set", "backend.patience=600")
    assert done.returncode == 3
    assert time.monotonic() - began < 60
    said = clean(run.box, done)
    assert "step registration: 0 ok, 12 failed, 0 pending of 12; first, person 0: " in said
    assert run.steps() == {name: (12 if name in ("population", "accounts") else 0, 0) for name in CUSTODIAL_STEPS} | {
        "registration": (0, 12)
    }
    (step,) = [step for step in run.report()["steps"] if step["name"] == "registration"]
    assert [entry["person"] for entry in step["failing"]] == list(range(12))
    assert all("cic_eth.eth.account.register: RuntimeError: " in entry["problem"] for entry in step["failing"])
    assert not registered_since(run.box, since)
    assert not gifts_since(run.box, since)
    stack.up(run.box.home, services=["custodial"], faults=[])
    repair(RunningEngine(run.box.home))  # each task that failed has left a nonce unused
    ends_well(run, 12, since)


@pytest.mark.slow
def test_a_key_that_was_made_but_never_registered_is_not_reported_as_registered(run: Run) -> None:
    """The engine's transaction fails on chain, of which it tells nobody: its account may no longer write to the index."""
    session, since = run.box.session(), run.box.block()
    ((writer, _),) = run.box.ask_engine("cic_eth.eth.account.role_account", "ACCOUNT_REGISTRY_WRITER", CHAIN_SPEC)
    index, argument = session.contracts.accounts_index, bytes(12) + bytes.fromhex(writer.removeprefix("0x"))
    send_from(session, run.box.owner, index, selector("deleteWriter(address)") + argument)
    try:
        done = run.command("--set", "backend.patience=2")
    finally:
        send_from(session, run.box.owner, index, selector("addWriter(address)") + argument)
    assert done.returncode == 3
    said = clean(run.box, done)
    assert "is not in the accounts index yet, and no person has progressed for" in said
    assert "do the engine's tracker and dispatcher run?" in said
    assert (run.steps()["accounts"], run.steps()["registration"]) == ((12, 0), (0, 12))
    assert not gifts_since(run.box, since)
    ends_well(run, 12, since, "--set", "backend.patience=8")


@pytest.mark.slow
def test_what_the_faucet_refused_is_asked_for_by_the_next_run(run: Run) -> None:
    session, since = run.box.session(), run.box.block()
    faucet = session.contracts.faucet
    assert faucet

    def set_amount(amount: int) -> None:
        send_from(session, run.box.owner, faucet.address, pack(selector("setAmount(uint256)"), amount))

    set_amount(10**30)  # more than it has
    try:
        done = run.command("--set", "backend.patience=2")
    finally:
        set_amount(faucet.amount)
    assert done.returncode == 3
    assert "has not used the faucet yet, and no person has progressed for" in clean(run.box, done)
    assert run.steps()["faucet"] == (0, 12)
    ends_well(run, 12, since, "--set", "backend.patience=8")


@pytest.mark.slow
@pytest.mark.parametrize("faults", [["custodial.revert-registration"]])
def test_registrations_that_fail_on_the_chain_are_asked_for_again_by_the_run_itself(run: Run) -> None:
    since = run.box.block()
    ends_well(run, 12, since, "--set", "backend.patience=10")
    assert run.report()["orphans"] == 0


# --- the check ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_key_of_somebody_else_is_an_error_on_the_real_engine(run: Run) -> None:
    assert run.command("--set", "population.size=4").returncode == 0
    store = Store(run.place / "state.sqlite")
    store.commit("accounts", [], addresses=[(3, b"\x77" * 20)])
    store.close()
    done = run.box.command("verify", *run.arguments("--set", "population.size=4", "--include", "custodial_key")[1:])
    assert done.returncode == 1, done.stderr
    assert "custodial_key: 1 error of 4; first: person 3: the custodial engine does not hold the key" in done.stdout


# --- the environment's limit ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_more_accounts_are_asked_for_at_a_time_than_the_environment_says(run: Run) -> None:
    environment = changed_environment(run.box, "  queue: cic-eth", "  queue: cic-eth\n  in_flight: 7")
    asked: list[int] = []
    process = run.start("--set", "population.size=40", "--env", environment)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.005):
            if rows := run.rows("SELECT count(*) FROM requests WHERE status = 'asked'"):
                asked.append(rows[0][0])

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        _, said = process.communicate(timeout=120)
    finally:
        ended.set()
        watcher.join()
    assert process.returncode == 0, said
    assert max(asked) == 7
