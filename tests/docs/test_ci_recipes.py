"""The recipes for continuous integration: they are what GitLab and GitHub read, and every command in them is run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from cicscenario.cli.validate import FORMATS

ROOT = Path(__file__).parent.parent.parent
GITLAB = yaml.safe_load((ROOT / "docs/ci/cicscenario.gitlab-ci.yml").read_text("utf-8"))
GITHUB = yaml.safe_load((ROOT / "docs/ci/cicscenario.github.yml").read_text("utf-8"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
JOBS = {name: job for name, job in GITLAB.items() if name.startswith("cicscenario")}

SCENARIO = """\
version: 1
name: eth-100
population: {size: 5, seed: 1}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
environment: sandbox
"""
#: Stand in for what a runner has: the commands are called as they are written, and what they were given is kept.
PROGRAMS = {
    "cicscenario": f'exec "{sys.executable}" -m cicscenario "$@"\n',
    "python3": 'mkdir -p .venv/bin; printf "#!/bin/sh\\n" > .venv/bin/pip; chmod +x .venv/bin/pip\n',
    "pip": 'test "$*" = "install --quiet cicscenario[sandbox]"\n',
    "curl": 'echo "$@" >> "$CALLED"\n',
    "gh": 'echo "$@" >> "$CALLED"\n',
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a scenario, in which a merge request has given one person more."""
    place = tmp_path / "checkout"
    (place / "scenarios").mkdir(parents=True)
    scenario = place / "scenarios" / "eth-100.yaml"
    for size in (5, 6):
        scenario.write_text(SCENARIO.replace("size: 5", f"size: {size}"))
        git(place, "init", "--quiet")
        git(place, "add", "scenarios")
        git(place, "commit", "--quiet", "--message", str(size))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}")
        (programs / name).chmod(0o755)
    return place


def git(place: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=place, check=True, capture_output=True, text=True
    ).stdout.strip()


def bash(checkout: Path, lines: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs lines as a runner does: one shell, which the first that fails ends."""
    surroundings = os.environ | {
        "PATH": f"{checkout.parent / 'programs'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "CICSCENARIO_HOME": str(checkout.parent / "home"),
        "CALLED": str(checkout.parent / "called"),
    }
    script = "set -eo pipefail\n" + "\n".join(lines)
    return subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=surroundings | variables, capture_output=True, text=True, timeout=120
    )


def gitlab(checkout: Path, job: str, **variables: str) -> subprocess.CompletedProcess[str]:
    base = git(checkout, "rev-parse", "HEAD~1")
    given = GITLAB["variables"] | {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_API_V4_URL": "https://git.example.org"}
    given |= {"CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "8"}
    return bash(checkout, GITLAB[".cicscenario"]["before_script"] + JOBS[job]["script"], **(given | variables))


def called(checkout: Path) -> str:
    file = checkout.parent / "called"
    return file.read_text() if file.exists() else ""


def test_gitlab_jobs_are_made_of_keywords_that_gitlab_has() -> None:
    keywords = {"extends", "script", "artifacts", "rules", "allow_failure", "image", "before_script"}
    reports = {"codequality", "junit", "metrics"}
    assert set(JOBS) == {"cicscenario-validate", "cicscenario-diff", "cicscenario-run"}
    for job in JOBS.values():
        assert set(job) <= keywords
        assert job["extends"] == ".cicscenario"
        assert job["artifacts"]["when"] == "always"
        assert set(job["artifacts"].get("reports", {})) <= reports
    kept = JOBS["cicscenario-run"]["artifacts"]["paths"]
    assert not any(path.rstrip("/") == "cicscenario-run" for path in kept)  # it holds keys


def test_gitlab_validates_and_publishes_code_quality(checkout: Path) -> None:
    assert gitlab(checkout, "cicscenario-validate").returncode == 0
    assert json.loads((checkout / "gl-code-quality-report.json").read_text()) == []
    (checkout / "scenarios" / "b.yaml").write_text(SCENARIO.replace("eth-100", "b").replace("gift", "gfit"))
    done = gitlab(checkout, "cicscenario-validate")
    assert done.returncode == 2
    assert "scenarios/b.yaml:4:1" in done.stderr
    [entry] = json.loads((checkout / "gl-code-quality-report.json").read_text())
    assert entry["location"] == {"path": "scenarios/b.yaml", "lines": {"begin": 4}}


def test_gitlab_shows_what_the_change_means(checkout: Path) -> None:
    done = gitlab(checkout, "cicscenario-diff")
    assert done.returncode == 0, done.stderr
    assert "- population 5 → 6: +1 people" in (checkout / "review" / "diff.md").read_text()
    assert "Plan: eth-100" in (checkout / "review" / "plan.txt").read_text()
    assert called(checkout) == ""


def test_gitlab_writes_a_note_when_it_may(checkout: Path) -> None:
    assert gitlab(checkout, "cicscenario-diff", CICSCENARIO_TOKEN="t").returncode == 0
    assert "body@review/diff.md https://git.example.org/projects/7/merge_requests/8/notes" in called(checkout)


def test_gitlab_stops_at_an_invalid_scenario(checkout: Path) -> None:
    (checkout / "scenarios" / "eth-100.yaml").write_text(SCENARIO + "gass: 1\n")
    assert gitlab(checkout, "cicscenario-diff").returncode != 0


def test_gitlab_runs_and_publishes_every_report(checkout: Path) -> None:
    done = gitlab(checkout, "cicscenario-run")
    assert done.returncode == 0, done.stdout + done.stderr
    artifacts = JOBS["cicscenario-run"]["artifacts"]
    for path in [*artifacts["paths"], *artifacts["reports"].values()]:
        assert (checkout / path).is_file(), path
    assert ET.parse(checkout / artifacts["reports"]["junit"]).getroot().get("failures") == "0"


def github_steps(job: str) -> list[dict]:
    return [step for step in GITHUB["jobs"][job]["steps"] if "run" in step]


def github(checkout: Path, job: str, **variables: str) -> None:
    summary, environment = checkout.parent / "summary", checkout.parent / "environment"
    files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ENV": str(environment)}
    for step in github_steps(job):
        assert "${{" not in step["run"], "values go through env: anything else is an injection"
        expressions = {name for name, value in step.get("env", {}).items() if "${{" in value}
        assert expressions <= {"GH_TOKEN", *variables}
        done = bash(checkout, [step["run"]], **(GITHUB["env"] | files | variables))
        assert done.returncode == 0, (step["name"], done.stdout, done.stderr)


def test_github_reviews(checkout: Path) -> None:
    github(checkout, "review", BASE=git(checkout, "rev-parse", "HEAD~1"), NUMBER="9")
    assert "population 5 → 6" in (checkout.parent / "summary").read_text()
    assert (checkout.parent / "environment").read_text() == "code=1\n"
    assert called(checkout) == "pr comment 9 --body-file diff.md --edit-last --create-if-none\n"


def test_github_runs_and_keeps_the_report(checkout: Path) -> None:
    github(checkout, "run")
    assert "Everybody arrived" in (checkout.parent / "summary").read_text()
    [upload] = [step for step in GITHUB["jobs"]["run"]["steps"] if "upload-artifact" in step.get("uses", "")]
    for path in upload["with"]["path"].split():
        assert (checkout / path).is_file(), path


def test_github_has_the_annotations_that_validate_speaks() -> None:
    [validate] = [step["run"] for step in github_steps("review") if step["name"] == "Validate"]
    assert validate.split()[-1] in FORMATS


def test_the_hook_finds_a_mistyped_key(checkout: Path) -> None:
    [hook] = HOOKS
    assert {"id", "name", "entry", "language", "types", "files"} <= set(hook)
    assert hook["language"] == "python"
    command = [f"{hook['entry']} scenarios/eth-100.yaml"]
    assert bash(checkout, command).returncode == 0
    (checkout / "scenarios" / "eth-100.yaml").write_text(SCENARIO.replace("gift", "gfit"))
    done = bash(checkout, command)
    assert done.returncode == 2
    assert "did you mean `gift`?" in done.stderr
