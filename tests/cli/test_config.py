"""``cicscenario config``: where every value comes from."""

import json
from pathlib import Path

import pytest

from cicscenario.cli.config import config
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language.schema import properties
from cicscenario.resources import load_schema

BASE = "version: 1\nname: base\npopulation:\n  size: 3\n  seed: 9\nbackend: eth\n"
SCENARIO = 'extends: base.yaml\nname: a\nvars: {n: 4}\npopulation:\n  size: "{{ n * 2 }}"\n'


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE)
    Path("a.yaml").write_text(SCENARIO)


def settings(capsys: pytest.CaptureFixture[str], file: str, *overrides: str, env: str | None = None) -> dict[str, dict]:
    assert config(Path(file), overrides, env, "json") is ExitCode.OK
    return {setting["key"]: setting for setting in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize(
    ("key", "value", "origin"),
    [
        ("name", "a", "a.yaml:2"),
        ("version", 1, "base.yaml:1"),
        ("population.seed", 9, "base.yaml:5"),
        ("population.size", 8, "a.yaml:5"),
        ("backend.kind", "eth", "base.yaml:6"),
        ("population.region", "KE", "default"),
        ("gift.threshold", 5, "--set"),
        ("environment", "staging.yaml", "--env"),
    ],
)
def test_each_value_has_an_origin(capsys: pytest.CaptureFixture[str], key: str, value: object, origin: str) -> None:
    found = settings(capsys, "a.yaml", "gift.threshold=5", env="staging.yaml")
    assert (found[key]["value"], found[key]["origin"]) == (value, origin)


def test_an_expression_is_shown_beside_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    config(Path("a.yaml"), [], None, "text")
    [line] = [row for row in capsys.readouterr().out.splitlines() if row.startswith("population.size")]
    assert line.split("  ")[-2:] == ["a.yaml:5", "{{ n * 2 }}"]


def test_no_key_of_the_language_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    schema = load_schema("scenario-v1")
    leaves = {".".join(path) for path, child in properties(schema) if not child.get("properties")} - {
        "extends",
        "vars",
        "matrix",
    }
    shown = set(settings(capsys, "a.yaml"))
    for leaf in leaves:
        parts = leaf.split(".")
        above = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
        assert above & shown or any(key.startswith(f"{leaf}.") for key in shown), leaf


def test_an_environment_shows_no_value_of_an_environment_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE", "http://user:hunter2@127.0.0.1:8545")
    Path("e.yaml").write_text(
        'version: 1\nname: e\nchain:\n  rpc: "{{ env.NODE }}"\n  spec: evm:byzantium:8996\n'
        '  registry: "0xea6225212005e86a4490018ded4bf37f3e772161"\n  signer: {private_key: "{{ env.KEY }}"}\n'
    )
    found = settings(capsys, "e.yaml")
    assert found["chain.rpc"]["value"] == "{{ env.NODE }}"
    assert found["chain.signer.private_key"]["value"] == "{{ env.KEY }}"
    assert "hunter2" not in str(found)


def test_an_invalid_file_is_an_error() -> None:
    Path("a.yaml").write_text(SCENARIO + "gass: 1\n")
    with pytest.raises(InvalidError, match="unknown key `gass`"):
        config(Path("a.yaml"), [], None, "text")
