"""What `validate` prints for merge requests: held against the rules that GitLab, SARIF and GitHub document."""

import json
import re
from pathlib import Path

import pytest

from cicscenario.cli.validate import validate
from cicscenario.errors import ExitCode

GOOD = "version: 1\nname: a\npopulation: {size: 3, seed: 1}\n"
#: https://docs.gitlab.com/ci/testing/code_quality/: what each entry must have, and the severities it may have.
GITLAB = {"description", "check_name", "fingerprint", "severity", "location"}
GITLAB_SEVERITIES = {"info", "minor", "major", "critical", "blocker"}


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def report(capsys: pytest.CaptureFixture[str], fmt: str, *files: str) -> str:
    code = validate([Path(file) for file in files or ("scenarios",)], [], fmt)
    assert code is ExitCode.INVALID
    return capsys.readouterr().out


def wrong(name: str = "a", text: str = "gift:\n  treshold: 500\n") -> str:
    path = Path("scenarios", f"{name}.yaml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(GOOD.replace("name: a", f"name: {name}") + text)
    return str(path)


def code_quality(text: str) -> list[dict]:
    """The entries, after GitLab's rules were held against them."""
    assert not text.startswith("\ufeff")
    entries = json.loads(text)
    assert isinstance(entries, list)
    for entry in entries:
        assert set(entry) == GITLAB
        assert all(isinstance(entry[key], str) and entry[key] for key in GITLAB - {"location"})
        assert entry["severity"] in GITLAB_SEVERITIES
        assert not entry["location"]["path"].startswith(("/", "./"))
        assert type(entry["location"]["lines"]["begin"]) is int
        assert entry["location"]["lines"]["begin"] >= 1
    assert len({entry["fingerprint"] for entry in entries}) == len(entries)
    return entries


def test_a_mistyped_key_shows_up_on_its_line_in_gitlab(capsys: pytest.CaptureFixture[str]) -> None:
    wrong()
    [entry] = code_quality(report(capsys, "gitlab"))
    assert entry["location"] == {"path": "scenarios/a.yaml", "lines": {"begin": 5}}
    assert entry["check_name"] == "S014"
    assert entry["description"].startswith("unknown key `treshold`; did you mean `threshold`?")
    assert entry["severity"] == "major"


def test_a_fingerprint_survives_moved_lines(capsys: pytest.CaptureFixture[str]) -> None:
    wrong(text="faucet: true\nfaucet: 1\ngas: x\n")
    before = code_quality(report(capsys, "gitlab"))
    wrong(text="# one\n\n# two\nfaucet: true\n\nfaucet: 1\ngas: x\n")
    after = code_quality(report(capsys, "gitlab"))
    assert [entry["fingerprint"] for entry in before] == [entry["fingerprint"] for entry in after]
    lines = [[entry["location"]["lines"]["begin"] for entry in entries] for entries in (before, after)]
    assert lines == [[5, 6], [9, 10]]


def test_fingerprints_tell_alike_errors_and_files_apart(capsys: pytest.CaptureFixture[str]) -> None:
    wrong("a", "gass: 1\nfauset: 1\ngift: {a: 1}\npopulaton: {a: 1}\n")
    wrong("b", "gass: 1\n")
    assert len(code_quality(report(capsys, "gitlab"))) == 5


def test_an_error_in_a_file_that_two_extend_is_there_once(capsys: pytest.CaptureFixture[str]) -> None:
    wrong("base")
    for name in ("a", "b"):
        Path("scenarios", f"{name}.yaml").write_text(f"extends: ../scenarios/base.yaml\nname: {name}\n")
    [entry] = code_quality(report(capsys, "gitlab"))
    assert entry["location"]["path"] == "scenarios/base.yaml"


def test_a_file_that_cannot_be_read_is_an_entry_too(capsys: pytest.CaptureFixture[str]) -> None:
    [entry] = code_quality(report(capsys, "gitlab", "scenarios/nothing.yaml"))
    assert entry["location"]["lines"]["begin"] == 1


def test_a_warning_is_minor_and_a_secret_in_a_file_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    wrong(text="vars: {n: 1}\n")
    assert validate([Path("scenarios")], [], "gitlab") is ExitCode.OK
    [entry] = code_quality(capsys.readouterr().out)
    assert (entry["check_name"], entry["severity"]) == ("L001", "minor")
    wrong(text="backend: {keystore: {password: hunter2}}\n")
    text = report(capsys, "gitlab")
    [entry] = code_quality(text)
    assert (entry["check_name"], entry["severity"]) == ("S016", "blocker")
    assert "hunter2" not in text


def test_nothing_found_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    wrong(text="")
    assert validate([Path("scenarios")], [], "gitlab") is ExitCode.OK
    assert code_quality(capsys.readouterr().out) == []


def test_sarif_names_its_rules_and_places(capsys: pytest.CaptureFixture[str]) -> None:
    wrong("with space")
    wrong("b", "gass: 1\n")
    log = json.loads(report(capsys, "sarif"))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["S013", "S014"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
    places = [r["locations"][0]["physicalLocation"] for r in run["results"]]
    assert {place["artifactLocation"]["uri"] for place in places} == {"scenarios/b.yaml", "scenarios/with%20space.yaml"}
    assert {"startLine": 5, "startColumn": 3, "endColumn": 11} in [place["region"] for place in places]


def test_github_annotations_are_one_line_each_and_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    wrong(text="gift:\n  treshold: 500\nchecks: {balance_adjust: 5%}\n")
    lines = report(capsys, "github").splitlines()
    assert lines[0].startswith(
        "::error file=scenarios/a.yaml,line=5,col=3,endColumn=11,title=S014 gift::unknown key `treshold`"
    )
    assert "`5%25` is not a value" in lines[1]
    assert all(re.fullmatch(r"::(error|warning) [^:]*::.+", line) for line in lines)


@pytest.mark.parametrize("form", ["gitlab", "sarif", "github"])
def test_paths_begin_at_the_top_of_the_checkout(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Merge requests know files by their path in the repository, wherever the command was started."""
    (tmp_path / ".git").mkdir()
    wrong()
    at_top = report(capsys, form)
    monkeypatch.chdir(tmp_path / "scenarios")
    assert report(capsys, form, "a.yaml") == at_top
    assert report(capsys, form, str(tmp_path / "scenarios")) == at_top
    assert "scenarios/a.yaml" in at_top
    assert str(tmp_path) not in at_top


def test_a_worktree_has_a_top_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").mkdir()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".git").write_text("gitdir: ../.git/worktrees/tree\n")
    monkeypatch.chdir(tree)
    wrong()
    monkeypatch.chdir(tree / "scenarios")
    [entry] = code_quality(report(capsys, "gitlab", "."))
    assert entry["location"]["path"] == "scenarios/a.yaml"


def test_without_a_checkout_paths_begin_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong()
    monkeypatch.chdir(tmp_path / "scenarios")
    [entry] = code_quality(report(capsys, "gitlab", "a.yaml"))
    assert entry["location"]["path"] == "a.yaml"
