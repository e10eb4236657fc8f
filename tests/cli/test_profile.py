"""``cicscenario profile``: measures people of a CSV file or a data directory; nobody can be found in what it writes."""

import csv
import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cicscenario.chainspec import ChainSpec
from cicscenario.cli.profile import profile
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language.profiles import load_profile
from cicscenario.legacy.export import write_datadir
from cicscenario.legacy.survey import COLUMNS
from cicscenario.people.generator import Generator
from cicscenario.people.vcard import decode
from cicscenario.profile import Profile, shares
from cicscenario.resources import profile_path

PEOPLE = 4000
SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")


@cache
def sarafu() -> Profile:
    path = profile_path("sarafu-2020")
    assert path
    return load_profile(path)


@cache
def generator() -> Generator:
    return Generator(
        seed=7, locales=[], region="KE", languages=[], tags=["individual"], gift_threshold=5, profile=sarafu()
    )


def measure(people: Path, output: Path | None = None, **options: Any) -> ExitCode:
    return profile(people, output, **{"name": None, "measured": None, "region": "KE"} | options)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "people.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Name", "Phone", *COLUMNS])
        for index in range(PEOPLE):
            one = generator().traits(index)
            product = one.products[1] if one.products else ""
            row = [one.gender, one.occupation, one.place, one.language, product, "", one.born, one.joined.date()]
            writer.writerow([f"Name{index}", generator()._phones.number(index), *row])
    return path


def close(measured: dict[str, float], drawn: dict[str, float], within: float) -> bool:
    """Whether the shares of all groups are alike; a group that is not in one of them has none."""
    one, other = shares(measured), shares(drawn)
    return all(abs(one.get(group, 0) - other.get(group, 0)) < within for group in {*one, *other} - {"Other"})


def test_a_table_is_read_as_a_spreadsheet_exports_it(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes(
        b"\xef\xbb\xbfGender;Occupation;Notes;Joined\r\n" + b'female;Shop;"one\r\ntwo";2021-03-01\r\n' * 20 + b";;;\r\n"
    )
    assert measure(tmp_path / "people.csv", tmp_path / "measured.yaml") is ExitCode.OK
    found = load_profile(tmp_path / "measured.yaml")
    assert (found.people, dict(found.gender), dict(found.occupations)) == (20, {"female": 20}, {"Shop": 20})


def test_people_who_are_drawn_and_measured_again_are_like_the_profile(table: Path, tmp_path: Path) -> None:
    assert measure(table, tmp_path / "again.yaml", measured="2020-05-12") is ExitCode.OK
    found, was = load_profile(tmp_path / "again.yaml"), sarafu()
    assert (found.name, found.people, found.measured) == ("again", PEOPLE, was.measured)
    for figure in ("gender", "occupations", "places", "joined"):
        assert close(getattr(found, figure), getattr(was, figure), 0.02), figure
    for occupation in ("Farming/Labour", "Food/Water", "Shop"):
        assert close(found.gender_by_occupation[occupation], was.gender_by_occupation[occupation], 0.05)
        assert close(found.products[occupation], was.products[occupation], 0.06)
    assert found.products["None"] == {}
    assert close(found.languages_by_place["Kayaba"], was.languages_by_place["Kayaba"], 0.1)
    assert close(found.languages_by_place["Miyani"], was.languages, 0.1)
    under_forty = sum(share for band, share in shares(found.ages).items() if int(band.partition("-")[0]) < 40)
    assert 0.55 < under_forty < 0.68
    assert not close(found.gender, {"female": 1, "male": 1}, 0.02), "another make-up is not close"


def test_nobody_is_in_it(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure(table)
    said = capsys.readouterr()
    assert not re.search(r"Name\d|\+254|\d{7}", said.out + said.err)
    assert "4,000 people counted; no group has fewer people than 10" in said.err
    assert "columns that are not read: Name, Phone" in said.err
    assert yaml.safe_load(said.out)["name"] == "people"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "out"
    people = [replace(person, address=person.id.to_bytes(20)) for person in map(generator().person, range(1, 301))]
    write_datadir(folder, people, [], chain_spec=SPEC)
    return folder


def test_a_data_directory_is_measured(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(data, tmp_path / "old.yaml", name="old-tools") is ExitCode.OK
    found, was = load_profile(tmp_path / "old.yaml"), sarafu()
    assert (found.name, found.people) == ("old-tools", 300)
    assert close(found.occupations, was.occupations, 0.1)
    assert abs(shares(found.gender)["female"] - 0.57) < 0.1
    assert found.places.keys() <= was.places.keys()
    assert found.products["Farming/Labour"].keys() <= was.products["Farming/Labour"].keys()
    assert not found.languages, "the directory does not say any"
    assert str(tmp_path / "old.yaml") in capsys.readouterr().err
    text = (tmp_path / "old.yaml").read_text()
    for index in range(1, 301):
        person = generator().person(index)
        contact = decode(person.document["vcard"])
        for private in (person.phone, person.phone[4:], contact.family, str(contact.email)):
            assert not re.search(rf"\b{re.escape(private)}\b", text)


def test_languages_of_a_data_directory_are_counted_and_bad_records_are_not(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    people = [generator().person(index) for index in range(1, 301)]
    (folder / "preferences.json").write_text(json.dumps({one.phone: one.language for one in people[1:]}))
    measure(folder)
    said = capsys.readouterr()
    found = yaml.safe_load(said.out)
    assert found["languages"] == {"sw": 240, "en": 60}
    assert "left out: 1 person, for 1 bad record in the directory" in said.err
    assert people[0].phone not in said.err + said.out


def test_what_is_measured_can_be_named_by_a_scenario(table: Path, tmp_path: Path) -> None:
    from cicscenario.vocabulary import load_scenario
    from tests.support.scenarios import written

    measure(table, tmp_path / "again.yaml")
    scenario = load_scenario(written(tmp_path, population="{size: 5, seed: 1, profile: again.yaml}"))
    assert scenario.population.profile == load_profile(tmp_path / "again.yaml")


def refused(folder: Path, text: str, **options: Any) -> InvalidError:
    path = folder / "people.csv"
    path.write_text(text)
    with pytest.raises(InvalidError) as caught:
        measure(path, **options)
    return caught.value


def test_every_bad_row_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [
        "gender,age,joined,born,phone",
        "female,30,2020-04,1990,+254700000001",
        "woman,30,2020-04,,+254700000002",
        "male,thirty,2020-04-31,31.12.1990,+254700000003",
        "male,30",
    ]
    said = refused(tmp_path, "\n".join(rows)).message
    for line in (
        "people.csv:3: `gender` is not female, male, other or unknown",
        "people.csv:4: `age` is not years, as a whole number",
        "people.csv:4: `joined` is not a month such as 2020-04, or a day",
        "people.csv:4: `born` is not a year, or a day such as 1990-12-31",
        "people.csv:5: has 2 values, expected 5",
    ):
        assert line in said
    assert "people.csv:2:" not in said
    assert "+2547" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,phone\nA,1\n", "people.csv:1: the header has none of the columns that are read"),
        ("gender,Gender\nmale,male\n", "people.csv:1: the header has `gender` twice"),
        ("gender\n" + "male\n" * 9, "9 people: a profile of fewer than 10"),
        ("gender\n" + "male\n" * 20, "the day of the figures is not known"),
        ("", "people.csv cannot be read: it is empty"),
    ],
)
def test_a_file_that_is_no_list_of_people_is_refused(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(tmp_path, text).message


def test_what_cannot_be_measured_or_written_is_told_before_anything_is_read(table: Path, tmp_path: Path) -> None:
    for options, says in (
        ({"measured": "May 2020"}, "is not a day from 1980 on"),
        ({"region": "XX"}, "is not a country that has mobile phone numbers"),
        ({"name": "My People"}, "'My People' is not a name for a profile"),
    ):
        with pytest.raises(InvalidError, match=says):
            measure(table, **options)
    for place, says in ((tmp_path / "missing.csv", "there is no"), (tmp_path, "is not a data directory")):
        with pytest.raises(InvalidError, match=says):
            measure(place)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.sqlite").touch()
    with pytest.raises(InvalidError, match="is a run directory"):
        measure(tmp_path / "run")
    there = tmp_path / "there.yaml"
    there.write_text("mine")
    with pytest.raises(InvalidError, match="exists already"):
        measure(table, there)
    assert there.read_text() == "mine"
    with pytest.raises(InvalidError, match="cannot write"):
        measure(table, tmp_path / "no folder" / "a.yaml")
