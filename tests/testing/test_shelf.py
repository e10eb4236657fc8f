"""A snapshot is found again as long as nothing has changed that its stack was made from, and just as long."""

import os
from pathlib import Path

import pytest

import cicscenario
from cicscenario.testing import shelf
from cicscenario.testing.shelf import Shelf
from cicscenario.vocabulary import load_scenario
from tests.support.outer_pytest import WALLETS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "wallets.yaml"
    path.write_text(WALLETS)
    return path


def place(path: Path, *overrides: str, node: str | None = None, contracts: str | None = None) -> Path:
    return Shelf(path.parent).place(load_scenario(path, overrides), node, contracts)


def test_every_part_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "as it is": place(path),
        "seed": place(path, "population.seed=6"),
        "size": place(path, "population.size=4"),
        "checks": place(path, "checks.exclude=[gas]"),
        "node": place(path, node="anvil"),
        "contracts": place(path, contracts="latest"),
    }
    monkeypatch.setattr(cicscenario, "__version__", "99")
    found["version"] = place(path)
    assert len(set(found.values())) == len(found)
    assert {one.name.partition("-")[0] for one in found.values()} == {"wallets"}


def test_what_does_not_change_the_stack_does_not_count(path: Path) -> None:
    before = place(path)
    path.write_text("# a comment\n" + WALLETS.replace("{size: 3, seed: 5}", "{seed: 5, size: 3}"))
    assert place(path) == before
    assert place(path, "population.size=3") == before
    assert place(path, node="embedded", contracts="classic") == before
    (path.parent / "staging.yaml").write_text("version: 1\nname: staging\n")
    assert place(path, "environment=staging.yaml") == before, "it is filled in a sandbox"


def test_people_in_files_count(tmp_path: Path) -> None:
    (tmp_path / "people" / "src").mkdir(parents=True)
    path = tmp_path / "old.yaml"
    path.write_text("version: 1\nname: old\npopulation: {from: people}\nbackend: eth\nenvironment: sandbox\n")
    before = place(path)
    (tmp_path / "people" / "src" / "a.json").write_text("{}")
    changed = place(path)
    (tmp_path / "people" / "src" / "a.json").write_text("[]")
    os.utime(tmp_path / "people" / "src" / "a.json", (1, 1))
    assert len({before, changed, place(path)}) == 3


@pytest.mark.parametrize("file", ["people.csv", "pins.csv"])
def test_a_table_and_a_list_of_hashes_count(tmp_path: Path, file: str) -> None:
    for name in ("people.csv", "pins.csv"):
        (tmp_path / name).write_text("phone\n")
    path = tmp_path / "table.yaml"
    path.write_text(
        "version: 1\nname: table\npopulation: {from: people.csv}\npins: {from: pins.csv}\nbackend: cic_ussd\n"
        "environment: sandbox\n"
    )
    before = place(path)
    assert place(path) == before
    (tmp_path / file).write_text("phone\n1\n")
    assert place(path) != before


def test_those_that_nobody_has_used_for_longest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "_KEPT", 2)
    for age, name in enumerate("abcd"):
        (tmp_path / f"{name}.zst").write_text("")
        os.utime(tmp_path / f"{name}.zst", (1000 - age, 1000 - age))
    Shelf(tmp_path).used(tmp_path / "c.zst")
    assert {path.name for path in tmp_path.iterdir()} == {"c.zst", "a.zst"}
