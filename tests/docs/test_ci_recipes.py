"""The recipes for continuous integration: what GitLab and GitHub read. Every command is run in a project of a user."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from packaging.requirements import Requirement

from cicscenario.cli.validate import FORMATS

ROOT = Path(__file__).parent.parent.parent
GITLAB = yaml.safe_load((ROOT / "docs/ci/cicscenario.gitlab-ci.yml").read_text("utf-8"))
GITHUB = yaml.safe_load((ROOT / "docs/ci/cicscenario.github.yml").read_text("utf-8"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
JOBS = {name: job for name, job in GITLAB.items() if name.startswith("cicscenario")}

PACKAGE = "cicscenario[sandbox] @ git+https://git.example.org/ours/cicscenario.git@v0.1.0"
SCENARIO = """\
version: 1
name: village
population: {size: 5, seed: 1}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
environment: sandbox
"""
#: Takes its people from a run that is not there.
LATER = """\
version: 1
name: later
population: {from: ../runs/village}
backend: existing
metadata: [custom]
environment: sandbox
"""
#: An environment that a merge request must not run anything in.
STAGING = """\
version: 1
name: staging
chain:
  rpc: http://192.0.2.1:8545
  spec: evm:byzantium:8996:bloxberg
  registry: "0xea6225212005e86a4490018ded4bf37f3e772161"
  signer: {private_key: "{{ env.NONE }}"}
"""
#: Stand in for what a runner has: the commands are called as they are written, and what they were given is kept.
PROGRAMS = {
    "cicscenario": f'exec "{sys.executable}" -m cicscenario "$@"\n',
    "python3": 'mkdir -p .venv/bin; ln -sf "$(command -v pip)" .venv/bin/pip\n',
    "pip": 'test "$1 $2" = "install --quiet"; echo "$3" >> "$CALLED.pip"\n',
    "curl": 'echo "$@" >> "$CALLED"\n',
    "gh": 'echo "$@" >> "$CALLED"\n',
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The repository of a user with one scenario, in which a merge request has given one person more."""
    place = tmp_path / "checkout"
    (place / "scenarios").mkdir(parents=True)
    scenario = place / "scenarios" / "village.yaml"
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
    given = GITLAB["variables"] | {
        "CICSCENARIO_PACKAGE": PACKAGE,
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "CI_API_V4_URL": "https://git.example.org",
    }
    given |= {"CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "8"}
    return bash(checkout, GITLAB[".cicscenario"]["before_script"] + JOBS[job]["script"], **(given | variables))


def called(checkout: Path, program: str = "") -> str:
    file = (checkout.parent / "called").with_suffix(program and f".{program}")
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


def test_gitlab_validates_and_publishes_code_quality(checkout: Path) -> None:
    assert gitlab(checkout, "cicscenario-validate").returncode == 0
    assert json.loads((checkout / "gl-code-quality-report.json").read_text()) == []
    (checkout / "scenarios" / "b.yaml").write_text(SCENARIO.replace("village", "b").replace("gift", "gfit"))
    done = gitlab(checkout, "cicscenario-validate")
    assert done.returncode == 2
    assert "scenarios/b.yaml:4:1" in done.stderr
    [entry] = json.loads((checkout / "gl-code-quality-report.json").read_text())
    assert entry["location"] == {"path": "scenarios/b.yaml", "lines": {"begin": 4}}


def test_gitlab_shows_what_the_change_means(checkout: Path) -> None:
    (checkout / "scenarios" / "later.yaml").write_text(LATER)
    done = gitlab(checkout, "cicscenario-diff")
    assert done.returncode == 0, done.stderr
    assert "- population 5 → 6: +1 person" in (checkout / "review" / "diff.md").read_text()
    plans = (checkout / "review" / "plan.txt").read_text()
    assert "Plan: village" in plans
    assert "runs/village" in plans, "why there is no plan of the other"
    assert called(checkout) == ""
    assert called(checkout, "pip") == f"{PACKAGE}\n"


def test_gitlab_writes_a_note_when_it_may(checkout: Path) -> None:
    assert gitlab(checkout, "cicscenario-diff", CICSCENARIO_TOKEN="t").returncode == 0
    assert "body@review/diff.md https://git.example.org/projects/7/merge_requests/8/notes" in called(checkout)


def test_gitlab_stops_at_an_invalid_scenario(checkout: Path) -> None:
    (checkout / "scenarios" / "village.yaml").write_text(SCENARIO + "gass: 1\n")
    assert gitlab(checkout, "cicscenario-diff").returncode != 0


def test_the_package_has_to_be_named_and_a_name_is_one_that_pip_understands(checkout: Path) -> None:
    done = gitlab(checkout, "cicscenario-validate", CICSCENARIO_PACKAGE="")
    assert done.returncode != 0
    assert "CICSCENARIO_PACKAGE: set it to what pip is to install" in done.stderr
    for text in (
        (ROOT / "docs/ci" / name).read_text("utf-8") for name in ("cicscenario.gitlab-ci.yml", "cicscenario.github.yml")
    ):
        named = re.findall(r'"(cicscenario\[[^"]*)"', text)
        assert len(named) == 3
        for requirement in named:
            assert Requirement(requirement).extras == {"sandbox"}


def test_gitlab_runs_all_that_it_is_told_and_publishes_every_report(checkout: Path) -> None:
    """One that fails keeps no other from its run, and decides."""
    done = gitlab(checkout, "cicscenario-run", CICSCENARIO_RUN="scenarios/none.yaml scenarios/village.yaml")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "scenarios/none.yaml" in done.stderr
    artifacts = JOBS["cicscenario-run"]["artifacts"]
    assert artifacts["paths"] == ["cicscenario-reports/"]
    for pattern in artifacts["reports"].values():
        assert [path.name for path in checkout.glob(pattern)] == [pattern.replace("*", "village").partition("/")[2]]
    assert_only_reports(checkout)
    junit = checkout / "cicscenario-reports" / "village.junit.xml"
    assert ET.parse(junit).getroot().get("failures") == "0"


def assert_only_reports(checkout: Path) -> None:
    kinds = ("junit.xml", "metrics.txt", "report.html", "report.json", "report.md")
    assert sorted(path.name for path in (checkout / "cicscenario-reports").iterdir()) == [
        f"village.{kind}" for kind in kinds
    ]


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


def test_github_runs_all_of_the_folder_in_the_sandbox_and_keeps_the_reports(checkout: Path) -> None:
    (checkout / "scenarios" / "village.yaml").write_text(SCENARIO.replace(": sandbox", ": ../staging.yaml"))
    (checkout / "staging.yaml").write_text(STAGING)
    github(checkout, "run")
    assert "Everybody arrived" in (checkout.parent / "summary").read_text()
    [upload] = [step for step in GITHUB["jobs"]["run"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert upload["with"]["path"] == "cicscenario-reports/"
    assert_only_reports(checkout)


def test_github_has_the_annotations_that_validate_speaks() -> None:
    [validate] = [step["run"] for step in github_steps("review") if step["name"] == "Validate"]
    assert validate.split()[-1] in FORMATS


def test_the_hook_finds_a_mistyped_key(checkout: Path) -> None:
    [hook] = HOOKS
    assert {"id", "name", "entry", "language", "types", "files"} <= set(hook)
    assert hook["language"] == "python"
    command = [f"{hook['entry']} scenarios/village.yaml"]
    assert bash(checkout, command).returncode == 0
    (checkout / "scenarios" / "village.yaml").write_text(SCENARIO.replace("gift", "gfit"))
    done = bash(checkout, command)
    assert done.returncode == 2
    assert "did you mean `gift`?" in done.stderr
