"""What cannot be had back is asked for first, and where nobody can be asked it wants ``--yes``."""

import os
import pty
import shlex
import subprocess
from pathlib import Path

import pytest

from cicscenario.cli.asking import ask
from cicscenario.errors import InvalidError
from tests.support.commands import cicscenario, command_environment, command_line


@pytest.mark.parametrize("arguments", [("run", "SCENARIO", "--fresh"), ("stack", "down", "--purge")])
@pytest.mark.parametrize("terminal", ["none", "stdin", "stderr"])
def test_where_nobody_can_be_asked_the_option_is_named_and_nothing_changes(
    tmp_path: Path, scenario: Path, arguments: tuple[str, ...], terminal: str
) -> None:
    home = tmp_path / "home"
    kept = home / "sandbox" / "stack.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            command_line(*(str(scenario) if word == "SCENARIO" else word for word in arguments)),
            env=command_environment(home),
            stdin=theirs if terminal == "stdin" else subprocess.DEVNULL,
            stderr=theirs if terminal == "stderr" else subprocess.PIPE,
            timeout=60,
        )
        told = os.read(ours, 4096) if terminal == "stderr" else done.stderr
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert b"there is no terminal to ask on; nothing was changed" in told
    given = [str(scenario) if word == "SCENARIO" else word for word in arguments]
    assert f"next: {shlex.join(['cicscenario', *given, '--yes'])} says yes".encode() in told
    assert [path.name for path in home.rglob("*")] == ["sandbox", "stack.json"]
    assert kept.read_text() == "{}"


def test_purge_with_yes_deletes(tmp_path: Path) -> None:
    (tmp_path / "sandbox").mkdir()
    done = cicscenario(tmp_path, "stack", "down", "--purge", "--yes")
    assert done.returncode == 0
    assert not (tmp_path / "sandbox").exists()


def test_yes_asks_nobody() -> None:
    ask("Delete it?", yes=True, to="delete it")
    with pytest.raises(InvalidError, match="to delete it wants a yes"):
        ask("Delete it?", yes=False, to="delete it")
