"""``cicscenario repair`` for people who joined by phone: metadata, PINs and USSD data, also what only the interface writes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.people.person import Person
from tests.support.phone_world import PhoneWorld
from tests.support.repair_world import delete_entries, pointer_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SIZE = 36
TROUBLES = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhoneWorld]:
    made = PhoneWorld(tmp_path_factory.mktemp("home"))
    done = made.command("run", str(made.scenario(size=SIZE)))
    assert done.returncode == 0, done.stdout + done.stderr
    yield made
    made.close()


@pytest.fixture
def people(world: PhoneWorld) -> list[Person]:
    return world.people()


def test_one_repair_and_everybody_is_whole(world: PhoneWorld, people: list[Person]) -> None:
    kinds = ["person", "phone", "preferences", "custom"]
    delete_entries(world.home, [pointer_of(kinds[n % 4], people[n]) for n in range(14)])
    other = "$2b$04$" + "a" * 53  # of the right form, and of another PIN
    for number, person in enumerate(people[:30]):
        damaged = other if number % 2 else "damaged"
        world.sql("UPDATE account SET password_hash = %s WHERE phone_number = %s", damaged, person.phone)
    for person in people[30:34]:
        world.sql("UPDATE account SET status = 1, preferred_language = 'xx' WHERE phone_number = %s", person.phone)
    scenario = str(world.scenario(size=SIZE))
    red = world.errors(Path(scenario))
    assert {"metadata", "metadata_phone", "metadata_preferences", "metadata_custom", "pins", "ussd_data"} <= red.keys()
    done = world.command("repair", scenario, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pins: 30 people (0, 1, 2, 3, 4, ...): the hash of the scenario's PIN is written again" in done.stdout
    assert world.errors(Path(scenario)) == {}
    hashes = world.sql("SELECT password_hash FROM account WHERE phone_number = ANY(%s)", [p.phone for p in people])
    assert not {other, "damaged"} & {text for (text,) in hashes}


def test_a_row_that_is_gone_is_left_alone_until_it_is_put_back(world: PhoneWorld, people: list[Person]) -> None:
    """With the statement of the page about troubles."""
    (insert,) = re.findall(r"^INSERT INTO account.*?;$", TROUBLES.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    scenario, gone, other = str(world.scenario(size=SIZE)), people[35], people[34]
    world.sql("DELETE FROM account WHERE phone_number = %s", gone.phone)
    world.sql("UPDATE account SET password_hash = 'damaged' WHERE phone_number = %s", other.phone)
    done = world.command("repair", scenario, "--yes")
    assert done.returncode == 1, done.stdout + done.stderr
    again, left = done.stdout.split("left alone:")
    assert "pins: 1 person (34): the hash of the scenario's PIN is written again" in again
    assert "(35)" not in again
    for check in ("pins", "ussd_data"):
        assert f"{check}: 1 person (35): the account table has no row with their phone number" in left
    assert "resume:" not in done.stderr, "to repeat it would not help"
    assert f"cicscenario verify {scenario}" in done.stderr
    assert world.sql("SELECT count(*) FROM account WHERE phone_number = %s", gone.phone) == [(0,)], "nobody has dialled"
    world.sql(insert.replace("ADDRESS", gone.account.hex()).replace("+254…", gone.phone))
    done = world.command("repair", scenario, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.errors(Path(scenario)) == {}


def test_what_leads_elsewhere_and_what_is_not_the_runs_is_left_alone(world: PhoneWorld, people: list[Person]) -> None:
    scenario = str(world.scenario(size=SIZE))
    world.services.meta.put(pointer_of("phone", people[1]), "ab" * 20)
    with world.changed(people[2].phone, "blockchain_address", "cd" * 20):
        delete_entries(world.home, [pointer_of("phone", people[2])])
        done = world.command("repair", scenario, "--yes")
    assert done.returncode == 1
    assert "metadata_phone: 1 person (1): the entry has another value, which may be somebody else's" in done.stdout
    assert "metadata_phone: 1 person (2): the account table has their phone number with another account" in done.stdout
    assert "resume:" not in done.stderr, "to repeat it would not help"
    assert world.services.meta.get(pointer_of("phone", people[1])) == "ab" * 20
    assert world.services.meta.get(pointer_of("phone", people[2])) is None
    again = world.command("repair", scenario, "--yes")
    assert "metadata_phone: 1 person (2): the entry is written" in again.stdout
    assert world.services.meta.get(pointer_of("phone", people[2])) == people[2].account.hex()
