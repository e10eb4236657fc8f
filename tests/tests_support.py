"""Helpers for tests that start real processes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cicscenario.chain.session import ChainSession, connect
from cicscenario.language import load_environment
from cicscenario.sandbox.nodes import anvil_path

NODES = ["embedded", pytest.param("anvil", marks=pytest.mark.skipif(not anvil_path(), reason="no anvil here"))]
GENERATIONS = ["classic", "latest"]


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is up."""

    home: Path
    environment: Path

    def session(self, token: str | None = None) -> ChainSession:
        return connect(load_environment(self.environment).chain, token)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line as a user would, in a process of its own."""
        return cicscenario(self.home, *arguments)


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cicscenario", *arguments]


def surroundings(home: Path) -> dict[str, str]:
    return os.environ | {"CICSCENARIO_HOME": str(home), "COLUMNS": "120"}


def cicscenario(home: Path, *arguments: str, patience: float = 240) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_line(*arguments), env=surroundings(home), capture_output=True, text=True, timeout=patience
    )
