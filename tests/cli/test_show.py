"""``cicscenario show``: PINs can be known, by whoever asks for them, and are in no other file."""

import csv
import json
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cicscenario.cli.show import pins
from cicscenario.errors import ExitCode, InvalidError, StateRefusedError
from cicscenario.people.generator import Generator
from cicscenario.people.person import Person
from cicscenario.people.pins import Pins, verify
from cicscenario.people.vcard import decode
from cicscenario.state import writes
from cicscenario.state.rows import Outcome
from cicscenario.state.store import STATE, Store
from cicscenario.vocabulary import load_scenario
from tests.support.commands import cicscenario

SCENARIO = """
version: 1
name: known
population: {size: 5, seed: 3, locales: [sl], languages: {en: 1}}
backend: cic_ussd
pins: PINS
environment: sandbox
"""
PEOPLE = [
    Generator(seed=3, locales=["sl"], region="KE", languages=[("en", 1)], tags=["individual"], gift_threshold=0).person(
        n
    )
    for n in range(5)
]


def ran(folder: Path, wanted: str = "{scheme: bcrypt}", done: Sequence[int] = (0, 1, 3)) -> Path:
    """A scenario that was run as far as the PINs of some people."""
    path = folder / "known.yaml"
    path.write_text(SCENARIO.replace("PINS", wanted))
    (folder / "run").mkdir()
    store = Store(folder / "run" / STATE)
    rows = [replace(person, address=bytes([person.id + 1]) * 20) for person in PEOPLE]
    store.commit("population", [Outcome(row.id, ok=True) for row in rows], people=rows)
    store.commit("pins", [Outcome(person, ok=True) for person in done] + [Outcome(2, ok=False, detail="has none")])
    store.set_meta({"lineage": "a", "scenario": json.dumps(load_scenario(path).canonical())})
    store.close()
    return path


def test_everybody_with_a_pin_is_shown_by_phone_name_and_pin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pins(ran(tmp_path), [], tmp_path / "run", None) is ExitCode.OK
    shown = capsys.readouterr()
    head, *rows = list(csv.reader(shown.out.splitlines()))
    assert head == ["phone", "name", "PIN in clear"]
    contacts = [decode(PEOPLE[n].document["vcard"]) for n in (0, 1, 3)]
    own = Pins(3)
    assert rows == [
        [PEOPLE[n].phone, f"{contact.given} {contact.family}", own.pin(n)]
        for n, contact in zip((0, 1, 3), contacts, strict=True)
    ]
    assert "3 of 5 people have a PIN that this run has set" in shown.err
    assert "PINs in clear: whoever has them can use the accounts" in shown.err


def test_pins_of_a_list_are_those_of_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pins(ran(tmp_path, '{scheme: bcrypt, fixed: ["0042", "1234"]}'), [], tmp_path / "run", None)
    assert [line[-4:] for line in capsys.readouterr().out.splitlines()[1:]] == ["0042", "1234", "1234"]


def test_a_file_of_pins_is_its_owners_only_and_nothing_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pins-plain.csv"
    out.write_text("of an earlier time, for all to read")
    out.chmod(0o644)
    pins(ran(tmp_path), [], tmp_path / "run", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text().splitlines()[0] == "phone,name,PIN in clear"
    assert len(out.read_text().splitlines()) == 4
    shown = capsys.readouterr()
    assert shown.out == ""
    assert str(out) in shown.err


def test_pins_are_not_shown_for_another_seed(tmp_path: Path) -> None:
    path = ran(tmp_path)
    store = Store(tmp_path / "run" / STATE)
    store.set_meta({"scenario": json.dumps(load_scenario(path, ["population.seed=4"]).canonical())})
    store.close()
    with pytest.raises(StateRefusedError, match=r"population\.seed"):
        pins(path, [], tmp_path / "run", None)


def test_a_scenario_without_pins_or_without_a_run_is_told(tmp_path: Path) -> None:
    path = ran(tmp_path)
    with pytest.raises(InvalidError):
        pins(path, [], tmp_path / "elsewhere", None)
    path.write_text(SCENARIO.replace("pins: PINS\n", ""))
    with pytest.raises(InvalidError, match="sets no PINs"):
        pins(path, [], tmp_path / "run", None)


def test_a_document_without_a_name_is_shown_without_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = ran(tmp_path, done=(4,))
    store = Store(tmp_path / "run" / STATE)
    with store._write(writes.OUTCOMES) as db:
        db.execute("UPDATE people SET document = '{}' WHERE id = 4")
    store.close()
    pins(path, [], tmp_path / "run", None)
    assert capsys.readouterr().out.splitlines()[1].startswith(f"{PEOPLE[4].phone},,")


def test_the_command_shows_a_pin_that_its_hash_accepts(tmp_path: Path) -> None:
    path = ran(tmp_path, '{scheme: bcrypt, fixed: ["1234"]}')
    done = cicscenario(tmp_path, "show", str(path), "--pins", "--dir", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()[1].rpartition(",")[2]
    assert verify("$2b$08$abcdefghijklmnopqrstuuxK63Ig36twWcwokXH3TrjY0dIY5tfmG", shown)
    asked = cicscenario(tmp_path, "show", str(path))
    assert asked.returncode == 2
    assert "--pins" in asked.stderr


def test_a_name_is_no_formula_and_a_phone_number_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Person, "name", "=HYPERLINK(0)\x1b[2J")
    pins(ran(tmp_path), [], tmp_path / "run", tmp_path / "pins.csv")
    _, *rows = csv.reader((tmp_path / "pins.csv").read_text().splitlines())
    assert {row[1] for row in rows} == {"'=HYPERLINK(0)\\x1b[2J"}
    assert all(row[0].startswith("+254") for row in rows)
