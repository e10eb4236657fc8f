"""Each durable write and each external effect is at a boundary, and a process can be ended there."""

import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from cicscenario.boundaries import FAILPOINT, Boundary, kill_at, observe
from cicscenario.cli.failpoint import names
from cicscenario.errors import InvalidError
from tests.support.commands import command_environment, command_line
from tests.support.effects import entered, unguarded

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cicscenario"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "sandbox" not in path.relative_to(PACKAGE).parts)
#: Effects that need no boundary of their own, by module, each with the reason.
EXEMPT = {
    "chain/rpc.py": "a POST is also how the chain is read; what changes it is eth_sendRawTransaction",
    "transport/http.py": "carries requests of the clients, which have the boundaries",
    "testing/stack.py": "carries requests of tests, which are what their users want of it",
    "services/metahttp.py": "carries requests of the clients, which have the boundaries",
    "state/salvage.py": "a copy in a temporary folder, which is deleted at once; what stays has boundaries",
}
TEMPORARY = ("write_text of a path", "write_bytes of a path", "a request to a service", "post to a service", "copyfile")


def place(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def imported(module: Path) -> dict[str, object]:
    parts = module.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return {} if name.endswith("__main__") else vars(import_module(name))


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_no_durable_write_and_no_external_effect_is_outside_a_boundary(module: Path) -> None:
    found = unguarded(module, imported(module))
    if place(module) in EXEMPT:
        assert found, "the exemption is no longer needed"
        found = [line for line in found if not line.endswith(TEMPORARY)]
    assert found == [], f"enter a boundary of cicscenario.boundaries around line {found[0]}"


WRONG = """
import os
from cicscenario.boundaries import Boundary
KNOWN = Boundary("test.known")

def effects(path, db, client, http, rpc, cursor):
    os.replace(path, path)
    path.replace(path)
    path.rename(path)
    os.link(path, path)
    path.open("wb")
    open(path, "a")
    os.open(path, os.O_WRONLY)
    path.write_text("")
    db.execute("BEGIN IMMEDIATE")
    db.executemany(f"INSERT INTO x ({path}) VALUES (1)")
    client.lpush("queue", b"")
    http.post("url")
    http.put("url")
    http.request("PUT", "url")
    adapter.send(request, stream=True)
    rpc.results([("eth_sendRawTransaction", [])])
    database.transaction(read_only=False)

def _helper(path):
    path.write_bytes(b"")

def half_guarded(path):
    with KNOWN:
        _helper(path)
    _helper(path)
"""

RIGHT = """
import os
from cicscenario.boundaries import Boundary
KNOWN = Boundary("test.known")

def guarded(path, db, client, boundary: Boundary):
    with KNOWN, path.open("wb"):
        _helper(path)
    with boundary:
        db.execute("COMMIT")
    with client.write(KNOWN) as db:
        db.execute("DELETE FROM x")

def _helper(path):
    _further(path)

def _further(path):
    os.replace(path, path)

def reads(path, db, http, text):
    path.open("rb")
    os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    os.open(os.devnull, os.O_RDWR)
    db.execute("SELECT 1")
    http.request("GET", "url")
    text.replace("a", "b")
"""


def test_each_kind_of_effect_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "wrong.py"
    module.write_text(WRONG)
    lines = WRONG.splitlines()
    expected = [
        number for number, line in enumerate(lines, 1) if re.match(r"    \w.*\(", line) and "_helper" not in line
    ]
    found = {int(text.partition(":")[0]) for text in unguarded(module, {"KNOWN": _KNOWN})}
    assert found == set(expected)


def test_what_is_within_a_boundary_or_only_reads_is_not_told(tmp_path: Path) -> None:
    module = tmp_path / "right.py"
    module.write_text(RIGHT)
    assert unguarded(module, {"KNOWN": _KNOWN}) == []


_KNOWN = Boundary("test.known")


def test_no_declared_boundary_is_left_unused() -> None:
    used = {name for module in MODULES for name in entered(module)}
    declared = {
        match.group(1)
        for module in MODULES
        for match in re.finditer(r"^(\w+) = Boundary\(", module.read_text("utf-8"), re.MULTILINE)
    }
    assert declared - used == set()
    assert len(declared) > 5


def test_both_points_are_passed_and_the_second_only_when_it_is_done() -> None:
    passed: list[tuple[str, str]] = []
    observe(lambda name, side: passed.append((name, side)))
    try:
        with _KNOWN:
            pass
        with pytest.raises(ValueError, match="failed"), _KNOWN:
            raise ValueError("failed")
    finally:
        observe(None)
    assert passed == [("test.known", "before"), ("test.known", "after"), ("test.known", "before")]


def ended(tmp_path: Path, failpoint: str) -> subprocess.CompletedProcess[str]:
    """A command that writes one scenario file."""
    environment = command_environment(tmp_path) | {FAILPOINT: failpoint}
    arguments = command_line("new", str(tmp_path / "a.yaml"))
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("side", "there"), [("before", False), ("after", True)])
def test_a_command_is_killed_at_the_point_that_the_variable_names(tmp_path: Path, side: str, there: bool) -> None:
    assert ended(tmp_path, f"scenario.create:{side}:1:kill").returncode == -signal.SIGKILL
    assert (tmp_path / "a.yaml").exists() == there


def test_an_unknown_name_is_refused_with_the_names_that_there_are(tmp_path: Path) -> None:
    done = ended(tmp_path, "scenario.created:before:1:kill")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {FAILPOINT}: there is no boundary `scenario.created`; there are accounts.change, ")
    assert all(name in line for name in names() if not name.startswith("test."))


@pytest.mark.parametrize(
    "text", ["test.known", "test.known:within:1:kill", "test.known:after:0:kill", "test.known:after:1:stop"]
)
def test_a_point_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="expected NAME:before:COUNT:kill"):
        kill_at(text)


def test_the_count_says_which_time_it_is() -> None:
    body = (
        "from cicscenario.boundaries import Boundary, kill_at\n"
        "known = Boundary('known'); kill_at('known:after:3:kill')\n"
        "for number in range(9):\n  with known: print(number, flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", body], env=os.environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "0\n1\n2\n")
