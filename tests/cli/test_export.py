"""``cicscenario export``: the directory means the same to the old tools, and to whoever reads it again."""

from dataclasses import replace
from pathlib import Path

import pytest

from cicscenario.cli.export import export
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.legacy.directory import OldPopulation
from cicscenario.people.generator import Generator
from cicscenario.state.rows import Outcome
from cicscenario.state.store import STATE, Store

PEOPLE = Generator(seed=3, locales=["sl"], region="KE", languages=[("en", 1)], tags=["individual"], gift_threshold=50)
GIFTS = [PEOPLE.gift(index) for index in range(4)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run directory of four people, who all have accounts."""
    made = [PEOPLE.person(index) for index in range(4)]
    rows = [replace(person, address=bytes([n]) * 20) for n, person in enumerate(made, start=1)]
    (tmp_path / "run").mkdir()
    store = Store(tmp_path / "run" / STATE)
    store.commit("population", [Outcome(row.id, ok=True) for row in rows], people=rows)
    store.close()
    return tmp_path / "run"


def on(run: Path, **place: str) -> None:
    """Writes down what a run knows of itself, such as the chain that it is on."""
    store = Store(run / STATE)
    store.set_meta(place)
    store.close()


@pytest.mark.parametrize("decimals", ["6", "18", "0"])
def test_balances_are_the_same_when_they_are_read_again(
    scenario: Path, run: Path, tmp_path: Path, decimals: str
) -> None:
    """The old tools' list has six decimals, however many the token has."""
    on(run, spec="evm:byzantium:8996:bloxberg", decimals=decimals)
    assert export(scenario, tmp_path / "out", [], run) is ExitCode.OK
    again = OldPopulation(tmp_path / "out")
    assert {again.person(n).old_address: again.gift(n) for n in range(again.size)} == {
        PEOPLE.person(n).old_address: gift for n, gift in enumerate(GIFTS)
    }


def test_a_run_on_no_known_chain_is_not_exported(scenario: Path, run: Path, tmp_path: Path) -> None:
    on(run, lineage="a")
    with pytest.raises(InvalidError, match="the environment of the run has no `spec`"):
        export(scenario, tmp_path / "out", [], run)
    assert not (tmp_path / "out").exists()
