"""A run by phone in which some people are broken: reports tell it by problem, and each of them can be looked at."""

import csv
import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cicscenario.engine.problems import Problem
from cicscenario.metadata import all_kinds
from cicscenario.people.person import Person
from tests.support.phone_world import ALL_CHECKS, SCENARIO, PhoneWorld
from tests.support.recordings import validated

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PhoneWorld]:
    made = PhoneWorld(tmp_path / "home", faults=["ussd.no-callback=0.3"])
    yield made
    made.close()


def forget_entries(world: PhoneWorld, people: list[Person]) -> None:
    """The metadata store loses the person entries of these people."""
    (kind,) = (kind for kind in all_kinds() if kind.name == "person")
    with closing(sqlite3.connect(world.home / "sandbox" / "meta" / "meta.sqlite")) as db, db:
        for one in people:
            pointer = kind.of(one, world.services.spec).pointer.hex()
            assert db.execute("DELETE FROM entries WHERE pointer = ?", (pointer,)).rowcount == 1


def test_people_who_are_broken_are_told_by_problem_and_shown_one_by_one(world: PhoneWorld) -> None:
    path = world.scenario(SCENARIO.replace("patience: 40", "patience: 8"), name="broken", size=10)
    ran = world.command("run", str(path))
    assert ran.returncode == 3, ran.stdout + ran.stderr
    people = world.people("broken")
    without = [one.id for one in people if one.address is None]
    alive = [one for one in people if one.address is not None]
    assert without, "the fault must hit somebody"
    assert len(alive) >= 4
    (problem,) = map(Problem.of, validated(world.report("broken"))["problems"])
    assert (problem.name, problem.people, set(problem.unmade)) == ("accounts", len(without), set(ALL_CHECKS))
    assert problem.sentence in ran.stdout
    assert f"{people[without[0]].name} (person {without[0]})" in ran.stdout

    forget_entries(world, alive[:2])
    world.sql("UPDATE account SET password_hash = NULL WHERE phone_number = %s", alive[2].phone)
    world.sql("DELETE FROM account WHERE phone_number = %s", alive[3].phone)
    verified = world.command("verify", str(path))
    assert verified.returncode == 1
    problems = list(map(Problem.of, validated(world.report("broken"))["problems"]))
    assert problems[0] == problem, "the root cause comes first"
    assert [(one.name, one.people, one.failing) for one in problems[1:]] == [
        ("metadata", 2, ()),
        ("pins", 1, ("ussd",)),
        ("pins", 1, ("ussd", "ussd_data")),
    ]
    failing = world.home / "runs" / "broken" / "failing.csv"
    assert stat.S_IMODE(failing.stat().st_mode) == 0o600
    with failing.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["index"]) for row in rows} == {*without, *(one.id for one in alive[:4])}
    assert {row["phone"] for row in rows} == {people[int(row["index"])].phone for row in rows}
    junit = ET.parse(world.home / "runs" / "broken" / "junit.xml")
    gas = junit.find(".//testcase[@name='check gas']/failure")
    assert gas is not None
    assert str(gas.text).startswith("this follows: ")

    one = alive[0]
    shown = json.loads(world.command("show", str(path), one.phone, "--format", "json").stdout)
    there = {f"{part['service']}: {part['what']}": part["there"] for part in shown["services"]}
    assert there.pop("meta: person entry") == "absent"
    assert len(there) >= 11
    assert set(there.values()) == {"present"}
    ((gift),) = shown["transactions"]
    assert (gift["tokens"], gift["status"]) == (str(one.gift), "mined")
    text = world.command("show", str(path), gift["hash"], "--offline").stdout
    assert f"{one.name}: person {one.id} of 10" in text
    gone = json.loads(world.command("show", str(path), str(alive[3].id), "--format", "json").stdout)
    assert [part["there"] for part in gone["services"] if part["service"] == "accounts"] == ["absent"]
