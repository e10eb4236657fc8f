"""``--deadline`` and ``steps.STEP.deadline``: the command stops in order, says all, and the same command goes on."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cicscenario.cli.deadlineoption import LONGEST, deadline_of
from cicscenario.errors import ExitCode, InvalidError
from tests.support.commands import cicscenario
from tests.support.sandboxes import Run, Sandbox

SIZE = "population.size=20"


@pytest.mark.parametrize(("text", "seconds"), [("600", 600), ("0.5", 0.5), ("1e3", 1000), (str(LONGEST), LONGEST)])
def test_it_is_written_in_seconds(text: str, seconds: float) -> None:
    deadline = deadline_of(text)
    assert deadline
    assert deadline.seconds == seconds
    assert 0 < deadline.left <= seconds


def test_without_it_there_is_none() -> None:
    assert deadline_of(None) is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2 min", "write --deadline 120"),
        ("1 h 30 min", "write --deadline 5400"),
        ("soon", "such as --deadline 600"),
        ("0", "takes the time that it needs"),
        ("-3", "takes the time that it needs"),
        ("nan", "takes the time that it needs"),
        ("inf", "takes the time that it needs"),
    ],
)
def test_what_is_no_number_of_seconds_is_refused_with_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(InvalidError) as caught:
        deadline_of(text)
    assert text in caught.value.message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("command", ["run", "verify", "repair"])
def test_every_command_that_asks_services_takes_it(tmp_path: Path, scenario: Path, command: str) -> None:
    told = cicscenario(tmp_path, command, str(scenario), "--deadline", "2 min")
    assert told.returncode == ExitCode.INVALID
    assert "--deadline: expected seconds, found '2 min'" in told.stderr


def test_the_plan_shows_that_of_a_step(tmp_path: Path, scenario: Path) -> None:
    told = cicscenario(tmp_path, "plan", str(scenario), "--set", "steps.gift.deadline=90")
    assert re.search(r"gift .* send the opening balance; within 1 min 30 s\n", told.stdout)
    json = cicscenario(tmp_path, "plan", str(scenario), "--set", "steps.gift.deadline=90", "--format", "json")
    assert '"deadline": 90' in json.stdout


@pytest.fixture
def slowed(tmp_path: Path) -> Callable[[Sandbox], Path]:
    """An environment in which 20 people take half a minute, since the chain is asked so seldom."""

    def write(box: Sandbox) -> Path:
        path = tmp_path / "slowed.yaml"
        path.write_text(
            f"version: 1\nname: slowed\nextends: {box.environment}\nchain: {{batch: 1, limits: {{rate: 3, burst: 60}}}}\n"
        )
        return path

    return write


@pytest.mark.slow
def test_a_run_that_is_ended_by_its_deadline_is_resumed_to_the_end(
    sandbox_of: Callable[..., Sandbox], scenario: Path, tmp_path: Path, slowed: Callable[[Sandbox], Path]
) -> None:
    box = sandbox_of(services=["node"])
    run = Run(box, scenario, tmp_path / "run")
    late = run.command("--env", str(slowed(box)), "--set", SIZE, "--deadline", "6")
    assert late.returncode == ExitCode.UNAVAILABLE, late.stderr
    assert "error: the deadline of this command, 6 s (--deadline), has passed; " in late.stderr
    assert re.search(r"done are \d+ of 20 in \w+", late.stderr)
    assert re.search(r"waited for .* \(\w+, \d+ people, ", late.stderr)
    assert "next: everything done so far is saved; the same command goes on" in late.stderr
    assert re.search(r"resume: cicscenario run .* --deadline 6\n", late.stderr)
    assert late.stdout.splitlines()[-1].startswith("Stopped: a deadline has passed: 20 people; ")
    report = run.report()
    assert report["deadline"] == {"seconds": 6}
    assert 5.5 < report["seconds"] < 15
    assert any(step["ok"] < step["total"] for step in report["steps"])
    sent = set(run.rows("SELECT hash FROM ledger"))

    resumed = run.command("--set", SIZE, "--deadline", "600")
    assert resumed.returncode == ExitCode.OK, resumed.stderr
    assert {errors for errors, _ in run.errors().values()} == {0}
    assert "deadline" not in run.report()
    rows = run.rows("SELECT purpose, person FROM ledger WHERE status = 'mined'")
    assert len(rows) == len(set(rows)), "nothing is sent twice"
    assert sent <= set(run.rows("SELECT hash FROM ledger")), "nothing that was sent is forgotten"


@pytest.mark.slow
def test_a_step_that_is_late_names_itself_and_a_verification_has_a_deadline_too(
    sandbox_of: Callable[..., Sandbox], scenario: Path, tmp_path: Path, slowed: Callable[[Sandbox], Path]
) -> None:
    box = sandbox_of(services=["node"])
    run = Run(box, scenario, tmp_path / "run")
    late = run.command("--env", str(slowed(box)), "--set", SIZE, "--set", "steps.registration.deadline=0.5")
    assert late.returncode == ExitCode.UNAVAILABLE, late.stderr
    assert "the deadline of the step registration, 0.5 s (`steps.registration.deadline`), has passed" in late.stderr
    assert run.report()["deadline"] == {"seconds": 0.5, "step": "registration"}
    done = run.command("--set", SIZE)  # without it: the scenario is still the same one
    assert done.returncode == ExitCode.OK, done.stderr
    asked = box.command(
        "verify", str(scenario), "--dir", str(run.place), "--env", str(slowed(box)), "--set", SIZE, "--deadline", "0.1"
    )
    assert asked.returncode == ExitCode.UNAVAILABLE
    assert "the deadline of this command, 0.1 s (--deadline), has passed; it was at this: " in asked.stderr
