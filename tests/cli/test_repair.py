"""``cicscenario repair``: what is gone is made again where that is safe, what is not is told, and nobody is paid twice."""

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import TRANSFER
from cicscenario.chain.signer import derive_key
from cicscenario.resources import load_schema
from cicscenario.sandbox import stack
from cicscenario.sandbox.ports import free_port
from cicscenario.vocabulary import load_scenario
from tests.support.commands import command_environment, command_line
from tests.support.repair_world import (
    contents,
    delete_entries,
    entries,
    failing_checks,
    people_of,
    pointer_of,
    spend_gas,
)
from tests.support.sandboxes import Run, Sandbox, gifts_since, send_from

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SIZE = 30
SCENARIO = f"""
version: 1
name: small
population: {{size: {SIZE}, seed: 5}}
gift: {{threshold: 200}}
backend: {{kind: eth, keystore: {{kdf: light}}}}
metadata: [person, phone, preferences, custom]
environment: sandbox
"""


class World(Run):
    """A run of thirty people that is done; ``first`` is the block before it."""

    first: int

    def repair(self, *more: str) -> "subprocess.CompletedProcess[str]":
        return self.box.command("repair", *self.arguments(*more)[1:])

    def verify(self, *more: str) -> "subprocess.CompletedProcess[str]":
        return self.box.command("verify", *self.arguments(*more)[1:])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("box")
    box = Sandbox(home, stack.up(home, services=["node", "meta"]).environment)
    scenario = home / "small.yaml"
    scenario.write_text(SCENARIO)
    made = World(box, scenario, home / "runs" / "small")
    object.__setattr__(made, "first", box.block())
    done = made.command()
    assert done.returncode == 0, done.stderr
    yield made
    stack.down(home, purge=True)


def is_whole(world: World) -> None:
    """Everything is there, and each gift was paid once."""
    done = world.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    gifts = gifts_since(world.box, world.first)
    assert {account: gifts[account] for account in world.given()} == world.given()


def test_one_repair_makes_everything_again(world: World) -> None:
    people = people_of(world)
    kinds = ["person", "phone", "preferences", "custom"]
    delete_entries(world.box.home, [pointer_of(kinds[n % 4], people[n]) for n in range(14)])
    for person in people[5:9]:
        (world.place / "keystore" / f"{person.account.hex()}.json").unlink()
    spend_gas(world, people[20:23])
    assert world.verify().returncode == 1
    done = world.repair("--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gas: 3 people (20, 21, 22): the gas that was sent is spent, and as much is sent again" in done.stdout
    assert "keystore: 4 people (5, 6, 7, 8)" in done.stdout
    is_whole(world)
    assert world.rows("SELECT person FROM ledger WHERE purpose = 'gas#2' AND status = 'mined' ORDER BY 1") == [
        (20,), (21,), (22,),
    ]  # fmt: skip


def asked(world: World, answer: bytes) -> tuple[int, str]:
    """``repair`` on a terminal, on which this is answered; its exit code, and what it says there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command_line("repair", *world.arguments()[1:]),
        env=command_environment(world.box.home),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answer)
    process.communicate(timeout=120)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    return process.returncode, said


def test_nothing_is_changed_without_a_yes_or_without_a_service(world: World) -> None:
    people = people_of(world)
    delete_entries(world.box.home, [pointer_of("person", people[3])])
    before, stored = contents(world), entries(world.box.home)
    code, said = asked(world, b"n\n")
    assert (code, "the answer was no, and nothing was changed" in said) == (130, True)
    nobody = world.repair()
    assert nobody.returncode == 2
    assert "metadata: 1 person (3): the entry is written" in nobody.stdout, "what would be done is shown all the same"
    assert "no terminal to ask on; nothing was changed" in nobody.stderr
    missing = world.box.environment.with_name("missing.yaml")
    url = re.search(r"meta:\n  url: http://127.0.0.1:(\d+)", world.box.environment.read_text())
    assert url
    missing.write_text(world.box.environment.read_text().replace(url[1], str(free_port())))
    silent = world.repair("--yes", "--env", str(missing))
    assert silent.returncode == 3
    assert "nothing was changed, because these services cannot be used:\n  meta: " in silent.stderr
    assert (contents(world), entries(world.box.home)) == (before, stored)
    code, said = asked(world, b"y\n")
    assert code == 0, said
    assert entries(world.box.home) == stored + 1


@pytest.mark.parametrize("point", ["state.outcomes:after:1", "state.signed:after:1", "chain.send:after:1"])
def test_a_repair_that_is_killed_is_finished_by_the_next_one_and_gives_gas_once(world: World, point: str) -> None:
    people = people_of(world)[10:12]
    before = world.rows("SELECT count(*) FROM ledger WHERE purpose LIKE 'gas#%'")[0][0]
    spend_gas(world, people)
    killed = subprocess.run(
        command_line("repair", *world.arguments("--yes")[1:]),
        env=command_environment(world.box.home) | {"CICSCENARIO_FAILPOINT": f"{point}:kill"},
        capture_output=True,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    done = world.repair("--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.rows("SELECT count(*) FROM ledger WHERE purpose LIKE 'gas#%'")[0][0] == before + len(people)
    assert world.rows("SELECT step, person FROM outcomes WHERE ok = 0") == [], "nothing that was begun is left open"
    gas = load_scenario(world.scenario).gas
    session = world.box.session()
    held = [int(session.rpc.call("eth_getBalance", to_hex(person.account), "latest"), 16) for person in people]
    assert held == [gas] * len(people)


def events(text: str) -> list[dict[str, Any]]:
    """The events that a command printed; every line is one, and has its form."""
    found = [json.loads(line) for line in text.splitlines()]
    for event in found:
        Draft202012Validator(load_schema("events-v1")).validate(event)
    return found


def test_a_step_is_executed_again_for_those_who_are_named(world: World) -> None:
    people = people_of(world)
    delete_entries(world.box.home, [pointer_of("custom", people[n]) for n in (1, 2)])
    one = world.command("--again", "metadata_custom", "--person", people[1].phone, "--yes")
    assert one.returncode == 1
    assert "metadata_custom: 1 person (1): the step is executed again, as was asked for" in one.stdout
    assert "nothing is to be made again" not in one.stdout
    assert failing_checks(world) == {"metadata_custom": 1}
    refused = world.command("--again", "gift", "--yes")
    assert "nothing is to be made again" in refused.stdout, "everybody has their gift"
    failed = world.command("--again", "metadata_custom", "--failed", "--yes", "--json")
    assert failed.returncode == 0, failed.stderr
    (planned,) = [event for event in events(failed.stdout) if event["event"] == "RepairPlanned"]
    (item,) = planned["again"]
    assert (item["check"], item["people"], item["named"], item["step"]) == (
        "metadata_custom",
        1,
        [2],
        "metadata_custom",
    )
    assert item["what"] == "the entry is written"
    assert item["problem"]
    assert planned["left"] == []
    is_whole(world)


def test_a_gift_that_arrived_is_not_paid_again(world: World) -> None:
    people = people_of(world)
    person = next(person for person in people if person.gift > 1)
    session = world.box.session()
    secret = bytes.fromhex((world.place / "secret").read_text())
    away = pack(TRANSFER, b"\x0f" * 20, session.contracts.token.base_units(1))
    send_from(session, derive_key(secret, person.id), session.contracts.token.address, data=away)
    done = world.repair("--yes")
    assert done.returncode == 1
    assert f"balance: 1 person ({person.id}): the gift has arrived, as the chain shows" in done.stdout
    assert failing_checks(world) == {"balance": 1}
    gifts = gifts_since(world.box, world.first)
    assert {account: gifts[account] for account in world.given()} == world.given()


def test_what_a_chain_that_went_back_has_lost_is_paid_once_more(world: World) -> None:
    """The gifts of some have arrived before, and are not paid again."""
    run = World(world.box, world.scenario, world.box.home / "runs" / "back")
    sets = ("--set", "population.seed=6", "--set", "population.size=12")
    object.__setattr__(run, "first", world.box.block())
    assert run.command("--until", "gift", *sets, "--set", "population.size=6").returncode == 0
    session = world.box.session()
    mark = session.rpc.call("evm_snapshot")
    assert run.command(*sets).returncode == 0
    assert session.rpc.call("evm_revert", mark) is True
    before = contents(run)
    unasked = run.repair(*sets)
    assert unasked.returncode == 2
    assert "is the last that the run knows" in unasked.stdout
    assert contents(run) == before
    done = run.repair("--yes", *sets)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same one is sent again if the chain does not have it" in done.stdout
    gifts = gifts_since(run.box, run.first)
    assert {account: gifts[account] for account in run.given()} == run.given()
    assert run.verify(*sets).returncode == 0
