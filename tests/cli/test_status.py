"""``status`` says where a run is, as ``runs`` does, from its directory only."""

from pathlib import Path

import pytest

from cicscenario.cli.status import status
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.state.directory import directory_lock, nothing_run
from tests.support.failing_states import FailingRun, failing_run


@pytest.fixture
def killed(tmp_path: Path) -> FailingRun:
    """A run that has made everybody, and was killed before it wrote a report."""
    made = failing_run(tmp_path, size=3)
    with directory_lock(made.directory):
        made.make(without_account={})
        made.store.withdraw(["pins"])
    made.store.close()
    return made


def test_a_run_that_was_killed_is_told_with_the_command_that_goes_on(
    killed: FailingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(killed.path, (), killed.directory, "text") is ExitCode.OK
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("broken: 3 people in ")
    assert second == "  Killed: it ended without a report"
    assert rest[-1].startswith("next: cicscenario run ")


def test_a_run_that_is_under_way_is_not_taken_for_killed(
    killed: FailingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    with directory_lock(killed.directory):
        status(killed.path, (), killed.directory, "text")
    assert capsys.readouterr().out.splitlines()[1] == "  Under way"


def test_that_nothing_has_been_run_is_an_answer_here_and_a_mistake_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As docs/troubleshooting.md says."""
    path = failing_run(tmp_path).path
    assert status(path, (), tmp_path / "other", "text") is ExitCode.OK
    said = f"nothing has been run in {tmp_path / 'other'}"
    assert capsys.readouterr().out == f"broken: {said}\n"
    error = nothing_run(tmp_path / "other", path)
    assert (error.exit_code, error.message) == (InvalidError.exit_code, said)
    assert error.exit_code == ExitCode.INVALID
