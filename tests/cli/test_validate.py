import json
from pathlib import Path

import pytest

from cicscenario.cli.validate import validate
from cicscenario.errors import ExitCode, InvalidError

GOOD = "version: 1\nname: a\npopulation: {size: 3, seed: 1}\n"
ENVIRONMENT = """\
version: 1
name: e
chain:
  rpc: http://127.0.0.1:8545
  spec: evm:byzantium:8996
  registry: 0xea6225212005e86a4490018ded4bf37f3e772161
  signer: {private_key: "file:k"}
"""


def test_a_folder_of_both_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "e.yml").write_text(ENVIRONMENT)
    (tmp_path / "s.yaml").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("{")
    assert validate([tmp_path], [], "text") is ExitCode.OK
    assert capsys.readouterr().out == f"{tmp_path}/environments/e.yml: valid\n{tmp_path}/s.yaml: valid\n"


def test_a_scenario_with_a_key_of_environments_is_a_scenario_with_one_unknown_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + "meta: [person]\n")
    assert validate([tmp_path], [], "text") is ExitCode.INVALID
    err = capsys.readouterr().err
    assert err.startswith("error[S014]: unknown key `meta`\n")
    assert "did you mean `metadata`?" in err
    assert err.count("error[") == 1


def test_an_environment_is_told_by_any_key_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.yaml").write_text("version: 1\nname: e\nspec: evm:byzantium:8996\n")
    assert validate([tmp_path], [], "text") is ExitCode.OK
    assert capsys.readouterr().out == f"{tmp_path}/e.yaml: valid\n"


def test_one_invalid_file_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD + "gass: 1\n")
    assert validate([tmp_path], [], "text") is ExitCode.INVALID
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}/a.yaml: valid\n"
    assert err.startswith("error[S014]: unknown key `gass`\n")


def test_json_has_the_same_diagnostics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.yaml").write_text(GOOD + "gass: 1\n")
    assert validate([tmp_path / "b.yaml"], [], "json") is ExitCode.INVALID
    [entry] = json.loads(capsys.readouterr().out)
    [diagnostic] = entry["diagnostics"]
    assert (entry["valid"], diagnostic["code"], diagnostic["line"], diagnostic["suggestion"]) == (
        False,
        "S014",
        4,
        "gas",
    )


def test_a_warning_is_shown_and_decides_only_when_asked_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace(", seed: 1", ""))
    assert validate([tmp_path], [], "text") is ExitCode.OK
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}/a.yaml: valid\n"
    assert err.startswith("warning[L002]: no seed is given, so the people are those of the default seed 1\n")
    assert err.rstrip().endswith("= see: cicscenario explain L002")
    assert validate([tmp_path], [], "text", strict=True) is ExitCode.INVALID


def test_two_scenarios_of_one_name_are_found_across_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    assert validate([tmp_path, tmp_path / "a.yaml"], [], "json") is ExitCode.OK
    first, second = json.loads(capsys.readouterr().out)
    assert first["diagnostics"] == []
    assert [(d["code"], d["severity"], d["message"]) for d in second["diagnostics"]] == [
        ("L006", "warning", f"`a` is also the name of {tmp_path}/a.yaml")
    ]


def test_nothing_to_validate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"no \.yaml"):
        validate([tmp_path], [], "text")
    with pytest.raises(InvalidError, match="unknown format"):
        validate([tmp_path], [], "xml")


def test_only_scenarios_environments_and_profiles_of_a_folder_are_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = {
        "compose.yaml": ("services: {redis: {image: redis}}\nvolumes: {}\n", "no key of any of them"),
        "ci/.gitlab-ci.yml": ("stages: [test]\nname: ci\n", "no key of any of them"),
        "list.yaml": ("- population\n", "a list"),
        "template.yaml": ("{% for a in b %}\nname: {{ a }}\n", "not YAML"),
    }
    for name, (text, _) in others.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "s.yaml").write_text(GOOD)
    (tmp_path / "s.yaml").write_text(GOOD)
    (tmp_path / "people.yaml").write_text("version: 1\nname: people\nmeasured: 2020-05-12\nplaces: {Miyani: 1}\n")
    assert validate([tmp_path], [], "text") is ExitCode.OK
    said = capsys.readouterr().out.splitlines()
    assert f"{tmp_path}/s.yaml: valid" in said
    assert f"{tmp_path}/people.yaml: valid" in said
    for name, (_, why) in others.items():
        [line] = [line for line in said if line.startswith(f"{tmp_path}/{name}: left out")]
        assert why in line
    assert f"{tmp_path}/.git: left out (a folder of other programs)" in said
    assert len(said) == len(others) + 3


def test_a_broken_scenario_of_a_folder_is_not_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("name: a", "name a"))
    (tmp_path / "b.yaml").write_text("version: 1\nname: b\npopulaton: {size: 3}\ngift: {threshold: 1}\n")
    assert validate([tmp_path], [], "text") is ExitCode.INVALID
    err = capsys.readouterr().err
    assert "a.yaml:2:5" in err
    assert "b.yaml:3:1" in err


def test_a_file_that_is_named_is_looked_at_whatever_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    assert validate([tmp_path / "compose.yaml"], [], "text") is ExitCode.INVALID
    assert capsys.readouterr().err.startswith("error[S021]: this is neither a scenario nor an environment file")


def test_the_files_that_a_scenario_names_are_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "staging.yaml").write_text(ENVIRONMENT)
    (tmp_path / "a.yaml").write_text(GOOD + "environment: stagin.yaml\n")
    assert validate([tmp_path / "a.yaml"], [], "text") is ExitCode.INVALID
    err = capsys.readouterr().err
    assert f"{tmp_path}/a.yaml:4:14" in err
    assert "did you mean `staging.yaml`?" in err
