"""A run on a real pseudo-terminal: what its screen shows while it runs, after the window got narrower, and at the end."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.commands import command_environment, command_line
from tests.support.sandboxes import Sandbox, with_keystore
from tests.support.screens import Screen

ROWS, PATIENCE = 40, 240.0


class Terminal:
    """A command on a pseudo-terminal. ``screen`` is what is seen."""

    def __init__(self, home: Path, columns: int, *arguments: str) -> None:
        self.screen = Screen(columns, ROWS)
        self._master, slave = pty.openpty()
        self.resize(columns)
        environment = command_environment(home) | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        self._process = subprocess.Popen(
            command_line(*arguments), stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self._until = time.monotonic() + PATIENCE

    def resize(self, columns: int) -> None:
        if columns != self.screen.size[0]:
            self.screen.resize(columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))

    def read(self) -> bool:
        """Shows what comes next; False at the end."""
        assert time.monotonic() < self._until, self.screen.lines
        with contextlib.suppress(OSError):  # of a terminal that nobody writes to any more
            if data := os.read(self._master, 65536):
                self.screen.write(data.decode("utf-8", "replace"))
                return True
        return False

    def until(self, seen: Callable[[str], bool]) -> None:
        while not seen("\n".join(self.screen.lines)):
            assert self.read(), self.screen.lines

    def end(self) -> int:
        while self.read():
            pass
        return self._process.wait(10)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        os.close(self._master)


@pytest.fixture
def terminal(sandbox: Sandbox, scenario: Path) -> Iterator[Terminal]:
    shown = Terminal(sandbox.home, 140, "run", str(scenario), "--env", str(sandbox.environment))
    try:
        yield shown
    finally:
        shown.close()


@pytest.mark.slow
@with_keystore
def test_a_run_in_a_window_that_becomes_narrower(terminal: Terminal) -> None:
    terminal.until(lambda seen: "population" in seen)
    assert any("━" in line or "─" in line for line in terminal.screen.lines)
    terminal.resize(80)
    assert terminal.end() == 0
    lines = terminal.screen.lines
    bars = [line for line in lines if re.search(r" 12 of 12", line)]
    names = [line.split()[0] for line in bars]
    assert len(names) == len(set(names)) >= 5
    assert all(len(line) < 80 for line in bars)
    assert not any(
        "of 12" in line for line in lines if line not in bars and "already done" not in line and ": " not in line
    )
    end = "".join(lines[lines.index(bars[-1]) + 1 :])
    assert re.fullmatch(r"Everybody arrived: 12 people, \d+ checks, .*\. Report: .*report\.html", end)
