"""``cicscenario schema``: the schemas for editors, beside the files or printed."""

import json
from pathlib import Path

import pytest

from cicscenario.cli.schema import schema
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.resources import load_schema
from cicscenario.vocabulary import scenario_schema


def test_it_writes_all_schemas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schema(tmp_path / "a" / "schemas", "scenario") is ExitCode.OK
    assert json.loads((tmp_path / "a" / "schemas" / "scenario-v1.json").read_text()) == scenario_schema()
    assert json.loads((tmp_path / "a" / "schemas" / "environment-v1.json").read_text()) == load_schema("environment-v1")
    assert json.loads((tmp_path / "a" / "schemas" / "profile-v1.json").read_text()) == load_schema("profile-v1")
    assert "scenario-v1.json" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["scenario", "environment", "profile"])
def test_it_prints_one(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    assert schema(None, kind) is ExitCode.OK
    assert json.loads(capsys.readouterr().out)["title"] == f"cicscenario {kind}"


def test_another_kind_is_an_error() -> None:
    with pytest.raises(InvalidError, match="unknown kind"):
        schema(None, "world")
