"""A run whose people are from a table, on a whole sandbox: the example of `scenarios/`, and hashes that were made elsewhere."""

import csv
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import bcrypt
import pytest

from cicscenario.legacy.accountfiles import read_pins
from cicscenario.people.pins import verify
from tests.support.phone_world import ALL_CHECKS, PhoneWorld

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
EXAMPLES = Path(__file__).parents[2] / "scenarios"
HASHES = """\
version: 1
name: hashes
population: {from: hashes.csv}
backend: {kind: cic_ussd, patience: 40}
metadata: [person]
pins: {from: pins.csv}
ussd_data: true
environment: sandbox
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhoneWorld]:
    made = PhoneWorld(tmp_path_factory.mktemp("tables"))
    try:
        yield made
    finally:
        made.close()


def checks(world: PhoneWorld, name: str) -> dict[str, tuple[int, int]]:
    return {check["name"]: (check["errors"], check["total"]) for check in world.report(name)["checks"]}


def pins_of_the_example() -> dict[str, str]:
    """By the number of the person, which ends each phone number of the table; without those that are empty."""
    with (EXAMPLES / "table-ussd.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter=";") if row["Phone number"]]
    return {row["Phone number"][-3:]: row["PIN"] for row in rows if row["PIN"]}


def test_twenty_people_of_a_table_arrive_with_their_pins(world: PhoneWorld, tmp_path: Path) -> None:
    for file in ("table-ussd.yaml", "table-ussd.csv"):
        shutil.copy(EXAMPLES / file, tmp_path)
    scenario = str(tmp_path / "table-ussd.yaml")
    ran = world.command("run", scenario)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert checks(world, "table-ussd") == dict.fromkeys(ALL_CHECKS, (0, 20))
    people = world.people("table-ussd")
    assert (people[1].name, people[1].gift, people[2].document["location"]["area_name"]) == (
        "John Otieno", 50, "Upper Mnarani",
    )  # fmt: skip
    place = world.home / "runs" / "table-ussd"
    wanted = pins_of_the_example()
    hashed = {row.phone[-3:]: row.password_hash for row in read_pins(place / "pins.csv")}
    assert (len(wanted), len(hashed)) == (19, 20)
    assert all(verify(hashed[who], pin) for who, pin in wanted.items())
    shown = world.command("show", scenario, "--pins")
    told = {row["phone"][-3:]: row["PIN in clear"] for row in csv.DictReader(shown.stdout.splitlines())}
    assert (len(told), {who: told[who] for who in wanted}) == (20, wanted)
    assert world.command("verify", scenario, "--thorough").returncode == 0
    assert "table-ussd.csv, line 3" in world.command("show", scenario, "1", "--offline").stdout
    _no_pin_is_written(place, set(wanted.values()))

    with (tmp_path / "table-ussd.csv").open("a") as file:
        file.write("+254711600090;Late Comer;F;Miyani;5;sw;;9137;\r\n")
    grown = world.command("run", scenario)
    assert grown.returncode == 0, grown.stdout + grown.stderr
    assert checks(world, "table-ussd")["pins"] == (0, 21)
    text = (tmp_path / "table-ussd.csv").read_text("utf-8-sig")
    (tmp_path / "table-ussd.csv").write_text(
        text.replace("Juma;M;Kisauni;1.200,00", "Juma;M;Kisauni;9.900,00"), "utf-8"
    )
    other = world.command("run", scenario)
    assert other.returncode == 4
    assert "table-ussd.csv are not those that the run began with" in other.stdout + other.stderr


def _no_pin_is_written(place: Path, pins: set[str]) -> None:
    """In any text of the state, and in no report and log. Times and hashes are numbers that may look alike."""
    pattern = re.compile(rf"(?<![0-9A-Za-z.:])({'|'.join(sorted(pins))})(?![0-9A-Za-z])")
    with closing(sqlite3.connect(place / "state.sqlite")) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        texts = [
            str(value)
            for name in tables
            for row in db.execute(f"SELECT * FROM {name}")
            for value in row
            if isinstance(value, str)
        ]
    texts += [file.read_text() for file in place.glob("*.csv")]
    texts += [json.dumps(json.loads((place / "report.json").read_text()).get("rejected"))]
    assert [found for text in texts if (found := pattern.findall(text))] == []


def test_hashes_that_were_made_elsewhere_are_brought(world: PhoneWorld) -> None:
    phones = [f"+254711700{number:03}" for number in range(20)]
    hashed = {
        phone: bcrypt.hashpw(f"{number:04}".encode(), bcrypt.gensalt(4)).decode() for number, phone in enumerate(phones)
    }
    (world.home / "hashes.csv").write_text("phone,name\n" + "".join(f"{phone},A B\n" for phone in phones))
    rows = "".join(f"{phone},{hashed[phone]}\n" for phone in reversed(phones))
    (world.home / "pins.csv").write_text(rows.replace(hashed[phones[3]], "0003"))
    scenario = world.home / "hashes.yaml"
    scenario.write_text(HASHES)
    stopped = world.command("run", str(scenario))
    assert stopped.returncode == 2
    assert "pins.csv:17: the hash is not a bcrypt hash" in stopped.stderr
    rejected = (world.home / "runs" / "hashes" / "rejected.csv").read_text()
    assert f"there is no PIN hash of {phones[3]} in pins.csv" in rejected
    assert ",0003" not in rejected + stopped.stderr

    (world.home / "pins.csv").write_text(rows)
    ran = world.command("run", str(scenario))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert set(checks(world, "hashes").values()) == {(0, 20)}
    assert checks(world, "hashes")["pins"] == (0, 20)
    place = world.home / "runs" / "hashes"
    assert {row.phone: row.password_hash for row in read_pins(place / "pins.csv")} == hashed
    shown = world.command("show", str(scenario), "--pins")
    assert shown.returncode == 2
    assert "nobody can tell the PINs from them" in shown.stderr
    world.sql("UPDATE account SET password_hash = %s WHERE phone_number = %s", hashed[phones[1]], phones[0])
    assert world.errors(scenario) == {"pins": 1}
