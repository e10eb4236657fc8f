"""What people write by mistake: each mistake is told once, at its place, with the remedy (the table is mistakes.yaml)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cicscenario.language import DiagnosticsError, load_environment
from cicscenario.language.diagnostic import Diagnostic
from cicscenario.vocabulary import check_scenario

SCENARIO = """\
version: 1
name: village
population:
  size: 10
  seed: 1
gift:
  threshold: 200
backend: cic_ussd
metadata: [person, phone]
environment: sandbox
"""
ENVIRONMENT = """\
version: 1
name: staging
chain:
  rpc: http://127.0.0.1:8545
  spec: evm:byzantium:8996:bloxberg
  # nothing here is said twice
  registry: "0xea6225212005e86a4490018ded4bf37f3e772161"
  signer:
    private_key: "{{ env.SIGNER_KEY }}"
  window: 0.9
ussd:
  url: http://127.0.0.1:8001
  service_code: "*483*46#"
meta:
  url: http://127.0.0.1:8000
  key: file:writer.asc
  write: one-step
  timeout: 4
"""
MISTAKES = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text("utf-8"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "staging.yaml").write_text(ENVIRONMENT)
    (tmp_path / "base.yaml").write_text(SCENARIO)
    (tmp_path / "writer.asc").write_text("not a key")
    (tmp_path / "people").mkdir()
    for name in ("members.csv", "members.xlsx", "pins.csv"):
        (tmp_path / name).write_text("phone\n")
    return tmp_path


def told(mistake: dict[str, Any]) -> tuple[Diagnostic, ...]:
    """The errors of the file with the mistake."""
    environment = mistake.get("file") == "environment"
    valid = ENVIRONMENT if environment else SCENARIO
    assert mistake.get("was", valid) in valid
    path = Path("mistaken.yaml")
    path.write_text(valid.replace(mistake["was"], mistake["is"], 1) if "was" in mistake else mistake["is"], "utf-8")
    with pytest.raises(DiagnosticsError) as caught:
        load_environment(path) if environment else check_scenario(path)
    return caught.value.diagnostics


@pytest.mark.parametrize("mistake", MISTAKES, ids=[one["mistake"] for one in MISTAKES])
def test_a_mistake_is_one_error_with_its_remedy(folder: Path, mistake: dict[str, Any]) -> None:
    problems = told(mistake)
    frames = "\n".join(problem.render() for problem in problems)
    assert len(problems) == 1, frames
    found = problems[0]
    assert f"{found.line}:{found.column}" == mistake["at"], frames
    assert mistake["says"] in found.message, frames
    remedies = [found.expected, found.hint, found.suggestion and f"`{found.suggestion}`"]
    assert mistake["remedy"] in " ".join(filter(None, remedies)), frames


def test_without_a_mistake_there_is_no_error(folder: Path) -> None:
    check_scenario(folder / "base.yaml")
    load_environment(folder / "staging.yaml")


@pytest.mark.parametrize(
    "written",
    [
        "private_key:hunter2",
        "private_key = hunter2",
        "private_key hunter2",
        "{private_key:hunter2}",
        "private_key: *hunter2",
        "{private_key: *hunter2}",
        "{keyfile: a.json, password: *hunter2}",
        "private_key: !hunter2 a",
        "private_key: a: hunter2",
        "private_key: [hunter2",
        "private_key: {private_key: hunter2}",
        "private_key: $hunter2",
        "keyfile:\n   password:hunter2",
    ],
)
def test_no_remedy_shows_a_secret(folder: Path, written: str) -> None:
    mistake = {"file": "environment", "was": 'private_key: "{{ env.SIGNER_KEY }}"', "is": written}
    problems = told(mistake)
    assert "hunter2" not in "".join(problem.render() + repr(problem) for problem in problems)
