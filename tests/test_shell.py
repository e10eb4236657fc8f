"""Variables that only libraries read are taken out of a command's process; files may still refer to them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cicscenario import shell
from cicscenario.language.secret import Secret
from tests.support.hostile_shell import CELERY, HOSTILE_SHELL, LIBPQ, OF_CHAINS, PROXIES, TLS

OF_LIBRARIES = LIBPQ | PROXIES | TLS | CELERY | OF_CHAINS


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hostile variables, taken."""
    for name in list(os.environ):  # so that they are put back after the test
        monkeypatch.setenv(name, os.environ[name])
    for name, value in HOSTILE_SHELL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shell, "_taken", {})
    shell.take()


@pytest.mark.usefixtures("taken")
def test_what_libraries_read_is_gone_from_the_process_and_its_children() -> None:
    assert set(OF_LIBRARIES).isdisjoint(os.environ)
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    child = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert set(OF_LIBRARIES).isdisjoint(child)
    assert set(HOSTILE_SHELL).isdisjoint(shell.kept().keys() - {"LC_ALL", "LANG", "LANGUAGE", "PYTHONUTF8"})


@pytest.mark.usefixtures("taken")
def test_references_and_programs_of_the_user_still_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Secret("{{ env.PGPASSWORD }}").reveal() == LIBPQ["PGPASSWORD"]
    assert HOSTILE_SHELL.items() <= dict(shell.variables).items()
    assert len(shell.variables) == len(dict(shell.variables))
    monkeypatch.setenv("PGPASSWORD", "set later")
    assert Secret("{{ env.PGPASSWORD }}").reveal() == "set later"


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "LANG", "LC_CTYPE", "TERM", "COLUMNS", "TZ", "CICSCENARIO_HOME", "TMPDIR"]
)
def test_what_is_about_the_machine_and_this_program_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/kept")
    assert shell.kept()[name] == "/kept"


def test_a_variable_that_nobody_has_heard_of_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_LIBRARY_OF_TOMORROW_URL", "http://127.0.0.1:9")
    assert "A_LIBRARY_OF_TOMORROW_URL" not in shell.kept()


def test_the_sandbox_starts_its_servers_without_them() -> None:
    """Nothing in it passes the process's own variables on."""
    folder = Path(shell.__file__).parent / "sandbox"
    passing = [path for path in folder.rglob("*.py") if "dict(os.environ)" in path.read_text("utf-8")]
    assert passing == []


SECRETS = {
    "CICSCENARIO_SIGNER_KEY": "k1", "GIT_TOKEN": "k2", "COMP_SECRET": "k3", "_TYPER_X": "k4", "SIGNER_KEY": "k5",
    "PGPASSWORD": "k6", "TTY_PASSWORD": "k7",
}  # fmt: skip


def test_a_server_of_the_sandbox_gets_a_short_list_of_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on after the command that started it, and with it what it was given."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    given = shell.for_daemons()
    assert given.keys().isdisjoint(SECRETS)
    assert given["PATH"] == os.environ["PATH"]
    assert all(not name.startswith(("CICSCENARIO", "GIT")) for name in given)
