"""Records of an old data directory that cannot be used: all of them are named, and others go on when that is asked for."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cicscenario.chainspec import ChainSpec
from cicscenario.legacy.export import write_datadir
from cicscenario.people import pointer
from cicscenario.people.generator import Generator
from cicscenario.state.store import STATE
from tests.support.commands import cicscenario
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.stub_meta import StubMeta

GENERATOR = Generator(seed=3, locales=["sl"], region="KE", languages=[("sw", 1)], tags=["a"], gift_threshold=50)
PEOPLE = [replace(GENERATOR.person(index), address=bytes([index + 1]) * 20) for index in range(30)]
SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")


class World:
    """Thirty people whom an import brought onto a chain, a scenario that writes their documents, and a metadata store."""

    def __init__(self, folder: Path, meta: StubMeta) -> None:
        self.folder, self.meta = folder, meta
        self.scenario, self.directory = folder / "a.yaml", folder / "run"
        write_datadir(folder / "data", PEOPLE, [], chain_spec=SPEC)
        (folder / "writer.asc").write_text(WRITER)
        (folder / "passphrase").write_text(PASSPHRASE)
        (folder / "environment.yaml").write_text(
            f"version: 1\nname: e\nspec: {SPEC}\n"
            f"meta: {{url: '{meta.url}', key: file:writer.asc, passphrase: file:passphrase}}\n"
        )
        self.scenario.write_text(
            "version: 1\nname: a\npopulation: {from: data}\nbackend: existing\nmetadata: [person]\n"
            "environment: environment.yaml\n"
        )

    def file(self, place: str, number: int) -> Path:
        person = PEOPLE[number]
        key = person.account if place == "new" else person.old_address
        name = key.hex().upper()
        return self.folder / "data" / place / name[:2] / name[2:4] / name

    def command(self, name: str, *options: str) -> tuple[int, str, str]:
        done = cicscenario(self.folder, name, str(self.scenario), "--dir", str(self.directory), *options)
        return done.returncode, done.stdout, done.stderr

    def rejected(self) -> list[dict[str, str]]:
        with (self.directory / "rejected.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def entry(self, number: int) -> object:
        found = self.meta.values.get(pointer.person(PEOPLE[number].account).hex())
        return found and found[1]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with StubMeta() as meta:
        yield World(tmp_path, meta)


def test_by_default_nothing_is_changed_and_all_of_them_are_listed(world: World) -> None:
    for number in range(5, 30):
        world.file("src", number).write_text("{")
    balances = world.folder / "data" / "balances.csv"
    balances.write_text(balances.read_text() + "\n\nwho,5\n")
    for command in ("plan", "run"):
        code, _, errors = world.command(command)
        assert code == 2
        assert "has 26 bad records" in errors
        assert "and 6 more" in errors
        assert "population.on_bad_row: skip" in errors
        assert (world.directory / "rejected.csv").exists() == (command == "run")
    assert len(world.rejected()) == 26
    assert world.rejected()[0] == {
        "file": str(balances), "line": "33", "reason": "expected an address and a value: 'who,5'",
    }  # fmt: skip
    assert not (world.directory / STATE).exists()
    assert world.meta.requests == []


@pytest.mark.slow
def test_the_others_go_on_and_it_is_said_everywhere(world: World) -> None:
    for number in (0, 7):
        world.file("src", number).write_bytes(world.file("src", number).read_bytes()[:-9])
    lower = json.loads(world.file("new", 2).read_text().replace("0x" + "03" * 20, "03" * 20))
    world.file("new", 2).write_text(json.dumps(lower))
    skip = ("--set", "population.on_bad_row=skip")
    code, output, _ = world.command("plan", *skip)
    assert "28 people" in output
    assert "2 people are left out, 2 bad records in the source; first, " in output
    plan = json.loads(world.command("plan", *skip, "--format", "json")[1])
    assert (plan["population"], plan["rejected"]["people"], len(plan["rejected"]["first"])) == (28, 2, 2)
    code, output, errors = world.command("run", *skip)
    assert code == 0, errors
    assert "2 people are left out" in output + errors
    assert {Path(row["file"]).name for row in world.rejected()} == {world.file("src", n).name for n in (0, 7)}
    report = json.loads((world.directory / "report.json").read_text())
    assert (report["population"], report["rejected"]["records"]) == (28, 2)
    markdown = world.command("report", *skip, "--format", "markdown")[1]
    assert "Left out: 2 people" in markdown
    wanted = [None if number in (0, 7) else json.loads(world.file("new", number).read_text()) for number in range(30)]
    assert [world.entry(number) for number in range(30)] == wanted, "the document that the import wrote, as it stands"
    assert world.entry(2) == lower


def test_a_document_that_the_metadata_server_cannot_keep_is_found_by_plan(world: World) -> None:
    for number, odd in enumerate(({"__proto__": 1}, {"": 1}, {"more": 2**53}, {"more": "\ud800"})):
        path = world.file("new", number)
        text = json.dumps(json.loads(path.read_text()) | odd)
        path.write_text(text)
    code, _, errors = world.command("plan")
    assert code == 2
    assert "has 4 bad records" in errors
    for reason in ("'__proto__'", "the key ''", "2^53", "not Unicode text"):
        assert reason in errors
    code, _, errors = world.command("run", "--set", "population.on_bad_row=skip")
    assert code == 0, errors
    assert [world.entry(number) is None for number in range(5)] == [True] * 4 + [False]
