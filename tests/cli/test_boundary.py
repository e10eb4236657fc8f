"""How a command ends when it cannot go on: a message, what to do next, and an exit code that says whose turn it is."""

import errno
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import pytest

from cicscenario.cli.boundary import boundary
from cicscenario.cli.commandline import as_given
from cicscenario.errors import ExitCode, UnavailableError
from tests.support.commands import cicscenario, command_environment, command_line


@contextmanager
def pipe_that_nobody_reads() -> Iterator[int]:
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def writing_to(
    stdout: int | TextIO, *arguments: str, home: Path, unbuffered: str
) -> "subprocess.CompletedProcess[str]":
    """Whether Python buffers decides when it notices that what it has written goes nowhere."""
    surrounded = command_environment(home) | {"PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(command_line(*arguments), env=surrounded, stdout=stdout, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["run", "small.yaml", "--dir", "small.yaml"], "small.yaml"),
        (["run", "small.yaml", "--dir", "/proc/x/y"], "/proc/x"),
        (["report", "small.yaml", "--dir", "small.yaml"], "small.yaml/report.json"),
        (["new", "small.yaml/a.yaml", "--yes"], "small.yaml/a.yaml"),
    ],
)
def test_a_path_that_cannot_be_used_is_a_message(
    tmp_path: Path, scenario: Path, arguments: list[str], path: str
) -> None:
    done = cicscenario(tmp_path / "home", *(a.replace("small.yaml", str(scenario)) for a in arguments))
    assert done.returncode == 2, done.stderr
    said = done.stderr.splitlines()
    assert path in said[0]
    assert said[1].startswith("  next: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["run", "SCENARIO"], ["stack", "up", "--service", "node"]])
def test_a_home_that_is_a_file_is_a_message(tmp_path: Path, scenario: Path, command: list[str]) -> None:
    home = tmp_path / "home"
    home.write_text("")
    done = cicscenario(home, *(str(scenario) if word == "SCENARIO" else word for word in command))
    assert done.returncode == 2
    what, then = done.stderr.splitlines()
    assert what.startswith(f"error: cannot use {home}")
    assert then == "  next: a file is where a folder has to be; name another folder"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_can_be_resumed_from(tmp_path: Path, unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = writing_to(full, "explain", "gift", home=tmp_path, unbuffered=unbuffered)
    assert done.returncode == 3
    assert done.stderr == (
        "error: writing: no space left on device\n  next: make room there\n  resume: cicscenario explain gift\n"
    )


def test_an_error_can_name_another_command_that_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> None:
        error = UnavailableError("a step failed")
        error.resume = "cicscenario run a.yaml"
        raise error

    boundary(body)
    assert capsys.readouterr().err == "error: a step failed\n  resume: cicscenario run a.yaml\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["explain"], ["explain", "gift"], ["--help"]])
def test_when_nobody_reads_on_it_ends_as_other_programs_do(
    tmp_path: Path, arguments: list[str], unbuffered: str
) -> None:
    with pipe_that_nobody_reads() as pipe:
        done = writing_to(pipe, *arguments, home=tmp_path, unbuffered=unbuffered)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


def test_what_went_wrong_is_told_also_when_nobody_reads_the_output(tmp_path: Path) -> None:
    program = (
        "from cicscenario.cli.boundary import boundary; from cicscenario.errors import UnavailableError\n"
        "def stopped(): print('one line'); raise UnavailableError('the node has gone')\n"
        "raise SystemExit(boundary(stopped))"
    )
    surrounded = command_environment(tmp_path) | {"PYTHONUNBUFFERED": ""}
    with pipe_that_nobody_reads() as pipe:
        done = subprocess.run(
            [sys.executable, "-c", program], env=surrounded, stdout=pipe, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 3
    assert done.stderr.startswith("error: the node has gone\n")


def test_a_service_that_hangs_up_is_not_taken_for_the_reader(capfd: pytest.CaptureFixture[str]) -> None:
    def hung_up() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    assert boundary(hung_up) is ExitCode.INTERNAL
    assert "BrokenPipeError" in capfd.readouterr().err


def test_interrupted_it_says_how_to_go_on(tmp_path: Path, scenario: Path) -> None:
    program = (
        "import sys; from cicscenario.cli import app, plan\n"
        "def interrupted(*_): raise KeyboardInterrupt\n"
        "plan.plan = interrupted; app.main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "plan", str(scenario)], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == f"interrupted; to resume: cicscenario plan {scenario}\n"


def everything(terminal: int) -> str:
    """What has been written to a terminal; closes it."""
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        text = b""
        with suppress(OSError):  # the end
            while more := shown.read(4096):
                text += more
    return text.decode()


@pytest.mark.parametrize(("answer", "said"), [("n\n", "nothing was changed"), ("\x04", "interrupted")])
def test_a_no_is_not_a_failed_check(tmp_path: Path, scenario: Path, answer: str, said: str) -> None:
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        command_line("run", str(scenario), "--fresh"),
        env=command_environment(tmp_path / "home"),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.write(ours, answer.encode())
    command.communicate(timeout=60)
    os.close(theirs)
    told = everything(ours)
    assert command.returncode == 130
    assert said in told
    assert f"cicscenario run {scenario}\r\n" in told
    assert not (tmp_path / "home").exists()


def test_the_command_that_resumes_can_be_pasted_into_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["run", "a b.yaml", "--fresh", "--set", "gift={threshold: 30}", "--dir", "it's"]
    monkeypatch.setattr(sys, "argv", ["cicscenario", *given])
    told = subprocess.run(["sh", "-c", f'set -- {as_given()}; printf "%s\\n" "$@"'], capture_output=True, text=True)
    assert told.stdout.splitlines() == ["cicscenario", *(word for word in given if word != "--fresh")]


def test_an_error_is_told_with_its_notes_once(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped() -> None:
        error = UnavailableError("step gas: 1 failed", hint="wait")
        error.add_note("step gas: 1 failed")
        error.add_note("3 pending")
        raise error

    assert boundary(stopped) is ExitCode.UNAVAILABLE
    assert capsys.readouterr().err.splitlines()[:3] == ["error: step gas: 1 failed", "  3 pending", "  next: wait"]


def test_a_bug_is_exit_code_70(capsys: pytest.CaptureFixture[str]) -> None:
    def bug() -> None:
        raise ZeroDivisionError

    assert boundary(bug) is ExitCode.INTERNAL
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert "this is a bug in cicscenario" in said


def test_where_an_error_comes_from_can_be_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def bug() -> None:
        (tmp_path / "nowhere").read_text()

    monkeypatch.setenv("CICSCENARIO_DEBUG", "1")
    assert boundary(bug) is ExitCode.INVALID
    assert 'in bug\n    (tmp_path / "nowhere").read_text()' in capsys.readouterr().err
