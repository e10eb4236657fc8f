"""Every command on the page of guarantees is one that can be given."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cicscenario.cli.failpoint import names
from tests.support.commands import cicscenario

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "guarantees.md").read_text("utf-8")
COMMANDS = sorted(set(re.findall(r"`((?:python -m|pytest|cicscenario) [^`]+)`", PAGE)))


def test_each_promise_has_a_command_that_shows_it() -> None:
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 8
    for promise, _, shown in rows:
        assert any(f"`{command}`" in shown for command in COMMANDS), promise


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("pytest")])
def test_the_tests_are_there(command: str) -> None:
    paths = [word for word in shlex.split(command) if word.startswith("tests/")]
    assert paths
    for path in paths:
        assert (PROJECT / path).exists()


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("python -m")])
def test_the_modules_take_these_options(command: str) -> None:
    words = shlex.split(command)
    said = subprocess.run(
        [sys.executable, *words[1:3], "--help"], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=True
    ).stdout
    for word in words[3:]:
        assert not word.startswith("--") or word in said


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("cicscenario")])
def test_the_commands_are_there(command: str, tmp_path: Path) -> None:
    words = [word for word in shlex.split(command)[1:] if word.islower() and not word.startswith("-")]
    assert cicscenario(tmp_path, *words, "--help").returncode == 0


def test_the_named_point_is_there() -> None:
    (point,) = re.findall(r"CICSCENARIO_FAILPOINT=(\S+)", PAGE)
    assert point.split(":")[0] in names()


def test_the_readme_leads_here() -> None:
    assert "(docs/guarantees.md)" in (PROJECT / "README.md").read_text("utf-8")
