"""The README is short and true: every command in it exists, and both set-up commands are what is tested."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cicscenario.checks import all_checks
from cicscenario.vocabulary import load_scenario, load_scenarios
from tests.support.commands import cicscenario

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
CI = ROOT / ".ci" / "run"
SETUP = re.findall(r"^```\n(.*?)\n```$", README, re.DOTALL | re.MULTILINE)


def test_there_are_exactly_two_setup_commands() -> None:
    assert len(SETUP) == 2
    assert all("\n" not in command for command in SETUP)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_runs_a_scenario_after_installing_everything(tmp_path: Path) -> None:
    install, run = SETUP[0].split(" && ")[1:]
    assert install == ".venv/bin/pip install --quiet '.[sandbox]'"
    program, *arguments = run.split()
    assert program == ".venv/bin/cicscenario"
    assert arguments == ["run", "scenarios/ussd-1k.yaml"]
    done = cicscenario(tmp_path, "run", str(ROOT / "scenarios/ussd-1k.yaml"), "--keep", patience=800)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        for check in all_checks():
            if check.name not in ("keystore", "traffic", "statement"):  # which this scenario does not have
                assert f"{check.name}: 0 errors of 1000" in done.stdout
        source = f"population.from={tmp_path / 'runs' / 'ussd-1k'}"
        for name in ("metadata-only", "pins-only"):
            path = str(ROOT / "scenarios" / f"{name}.yaml")
            more = cicscenario(tmp_path, "run", path, "--set", source, "--set", "population.size=20")
            assert more.returncode == 0, more.stdout + more.stderr
    finally:
        cicscenario(tmp_path, "stack", "down")


def test_the_second_and_the_slow_tests_are_what_continuous_integration_calls() -> None:
    lines = CI.read_text("utf-8").splitlines()
    first = lines.index(SETUP[1])
    ((slow, marker),) = re.findall(r"`(\S*python -m pytest -m (\w+) -n 4)`", README)
    assert slow in lines[first:]
    told = subprocess.run([sys.executable, "-m", "pytest", "--markers"], cwd=ROOT, capture_output=True, text=True)
    assert f"@pytest.mark.{marker}:" in told.stdout


@pytest.mark.parametrize(
    ("tests", "slow", "worlds"), [(0, 0, 0), (1, 0, 0), (0, 1, 0), (2, 1, 0), (0, 0, 1), (0, 2, 1)]
)
def test_continuous_integration_runs_all_and_fails_when_any_does(
    tmp_path: Path, tests: int, slow: int, worlds: int
) -> None:
    """With stand-ins for what it calls."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text(CI.read_text("utf-8"))
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\necho "$@"\ncase "$*" in *slow*) exit {slow};; *soak*) exit {worlds};; *) exit {tests};; esac\n'
    )
    for path in (
        python.with_name("pip"),
        tmp_path / "python3",
        *(tmp_path / name for name in ("npm", "apt-get", "tar")),
    ):
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    python.chmod(0o755)
    surroundings = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["bash", tmp_path / ".ci" / "run"], env=surroundings, capture_output=True, text=True)
    assert done.returncode == (tests or slow or worlds), done.stderr
    assert done.stdout.splitlines() == [
        "-m pytest",
        "-m pytest -m slow -n 4",
        "-m tests.soak --seeds 2000",
        f"exit codes: tests {tests}, slow tests {slow}, simulated worlds {worlds}",
    ]


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`cicscenario ([a-z]+)", README))))
def test_every_command_it_names_exists(command: str) -> None:
    done = subprocess.run([sys.executable, "-m", "cicscenario", command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_its_example_is_a_valid_scenario(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    path = tmp_path / "example.yaml"
    path.write_text(example)
    assert load_scenario(path).population.size == 1000


@pytest.mark.parametrize("scenario", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_is_valid_and_named_after_its_file(scenario: Path) -> None:
    assert {one.name for one in load_scenarios(scenario)} == {scenario.stem}


def test_the_table_of_times_names_scenarios_with_their_people_and_payments() -> None:
    rows = re.findall(
        r"^\| \[`([\w-]+)`\]\(scenarios/([\w-]+)\.yaml\).*? \| ([\d,]+) \| ([\d,]*) ?\| .*\d s \|$", README, re.M
    )
    assert len(rows) == 3
    for name, file, people, payments in rows:
        scenario = load_scenario(ROOT / "scenarios" / f"{file}.yaml")
        assert (scenario.name, f"{scenario.population.size:,}") == (name, people)
        assert (f"{scenario.traffic.payments:,}" if scenario.traffic else "") == payments


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["eth-100", "eth-mint", "eth-vars", "eth-demurrage", "village-eth-100", "custodial-100"]
)
def test_the_scenarios_to_learn_from_run(name: str, tmp_path: Path) -> None:
    done = cicscenario(tmp_path / "home", "run", str(ROOT / "scenarios" / f"{name}.yaml"))
    assert done.returncode == 0, done.stderr
