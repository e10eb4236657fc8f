"""An idle sandbox uses nearly nothing, and one whose folder is deleted leaves nothing."""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cicscenario.sandbox import stack, watchdog
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.outside import outside
from cicscenario.sandbox.services import SERVICES
from tests.support.ticks import processes_of, shares, ticks_of
from tests.support.waiting import eventually

_MEASURED = 20.0  # seconds
_MOST = 0.01  # of a core
_SETTLED = 4.0  # seconds after the start: PostgreSQL tidies up, and the engine has seen the last block


def test_a_process_that_works_is_seen_to_work(tmp_path: Path) -> None:
    code = "import sys\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as busy:
        try:
            ((name, share),) = shares(tmp_path, 0.5).items()
            assert name.startswith(f"{busy.pid} ")
            eventually(lambda: ticks_of([busy.pid])[busy.pid] > 5)
            assert share > 0
        finally:
            busy.kill()


@pytest.mark.slow
def test_all_services_together_use_under_a_hundredth_of_a_core_and_end_with_their_folder(home: Path) -> None:
    stack.up(home, services=SERVICES)
    time.sleep(_SETTLED)
    used = shares(home, _MEASURED)
    assert {name for name in (*SERVICES, "watchdog") if any(f".{name} " in line for line in used)} >= {
        "node", "meta", "custodial", "ussd", "watchdog",
    }  # fmt: skip
    assert any("valkey" in line for line in used)
    assert any("postgres" in line for line in used)
    assert sum(used.values()) < _MOST, "\n".join(f"{share:.2%} {line}" for line, share in used.items() if share)

    ports = json.loads((home / "sandbox" / "stack.json").read_text())["ports"]
    elsewhere, running = outside(home / "sandbox"), processes_of(home)
    shutil.rmtree(home)
    eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in running))
    for port in ports.values():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
    assert elsewhere is None or not elsewhere.exists()
    assert not home.exists(), "nobody has written into it again"


@pytest.mark.slow
def test_a_folder_that_is_moved_is_left_alone_and_a_new_one_in_its_place_too(home: Path) -> None:
    stack.up(home)
    node, guard = Daemon("node", home / "sandbox"), Daemon(watchdog.NAME, home / "sandbox")
    first = node.pid(), guard.pid()
    eventually(lambda: _noticed(first[1]))
    home.rename(home.with_name("moved"))
    stack.up(home)
    second = node.pid(), guard.pid()
    assert not {*first} & {*second}
    time.sleep(3 * watchdog._INTERVAL)
    assert Daemon("node", home.with_name("moved") / "sandbox").pid() == first[0]
    shutil.rmtree(home.with_name("moved"))
    eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in first))
    assert (node.pid(), guard.pid()) == second


def _noticed(guard: int | None) -> bool:
    """Whether the watchdog holds a daemon's lock open."""
    return any(str(link.readlink()).endswith("node.lock") for link in Path(f"/proc/{guard}/fd").iterdir())


def test_what_stops_the_sandbox_stops_its_watchdog(home: Path) -> None:
    guard = Daemon(watchdog.NAME, home / "sandbox")
    with stack.sandbox(home):
        assert guard.pid()
    assert guard.pid() is None
    stack.up(home)
    assert guard.pid()
    stack.down(home)
    assert guard.pid() is None
    assert not (home / "sandbox" / "tmp").exists()
