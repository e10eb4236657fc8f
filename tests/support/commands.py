"""The command line as a user runs it, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cicscenario", *arguments]


def command_environment(home: Path) -> dict[str, str]:
    """Environment variables of a command whose sandbox and runs are in ``home``."""
    return os.environ | {"CICSCENARIO_HOME": str(home), "COLUMNS": "120"}


def cicscenario(home: Path, *arguments: str, patience: float = 240) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; ``patience`` is in seconds."""
    return subprocess.run(
        command_line(*arguments), env=command_environment(home), capture_output=True, text=True, timeout=patience
    )
