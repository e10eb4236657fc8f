"""Sessions of pytest in processes of their own, with the plugin and nothing of this project's configuration."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
#: A scenario that is run within two seconds.
WALLETS = """version: 1
name: wallets
population: {size: 3, seed: 5}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
environment: sandbox
"""


def project_in(folder: Path, tests: str) -> Path:
    """A project with the scenario ``wallets.yaml`` and these tests."""
    folder.mkdir(exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (folder / "wallets.yaml").write_text(WALLETS)
    (folder / "test_it.py").write_text(tests)
    return folder


def session_command(*words: str, plugin: bool = True) -> list[str]:
    loaded = ["-p", "cicscenario.testing.plugin"] if plugin else []
    return [sys.executable, "-m", "pytest", *loaded, *words]


def session_environment() -> dict[str, str]:
    """Without what changes pytest's own words: under continuous integration its summary is longer."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CICSCENARIO_HOME"))}
    for name in ("CI", "BUILD_NUMBER"):
        kept.pop(name, None)
    return kept | {"PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def session(folder: Path, *words: str, plugin: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs the tests in ``folder`` to their end."""
    return subprocess.run(
        session_command(*words, plugin=plugin), cwd=folder, env=session_environment(), capture_output=True, text=True
    )
