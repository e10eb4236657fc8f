from pathlib import Path

import pytest

from cicscenario.cli.new import new
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import load_scenario


def test_it_writes_a_valid_scenario_for_editors(tmp_path: Path) -> None:
    path = tmp_path / "My first.yaml"
    assert new(path, name=None, size=50) is ExitCode.OK
    assert path.read_text().startswith("# yaml-language-server: $schema=")
    scenario = load_scenario(path)
    assert (scenario.name, scenario.population.size) == ("my-first", 50)


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("mine")
    with pytest.raises(InvalidError, match="is there already"):
        new(path, name=None, size=1)
    assert path.read_text() == "mine"


def test_nothing_is_left_of_a_name_that_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidError):
        new(tmp_path / "a.yaml", name="No Name", size=1)
    assert list(tmp_path.iterdir()) == []
