"""Whole runs with workers: from the command line, with kills of everything, and with an eye on what crosses the broker."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from cicscenario.boundaries import FAILPOINT
from cicscenario.chain.keyfile import decrypt
from tests.support.commands import command_environment, command_line
from tests.support.reached import of_situation
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.worker_processes import SECRET, start_worker, working
from tests.support.worker_runs import WorkerWorld, whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerWorld]:
    made = WorkerWorld(tmp_path_factory.mktemp("workers"))
    try:
        yield made
    finally:
        made.close()


class Monitor:
    """All that crosses the broker, as its MONITOR tells it."""

    def __init__(self, valkey: Valkey) -> None:
        self.seen: list[str] = []
        self._process = subprocess.Popen(
            ["python3", "-c", _LISTEN, str(valkey.port)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.seen.extend(self._process.stdout)

    def end(self) -> str:
        self._process.kill()
        self._process.wait()
        self._thread.join(10)
        if self._process.stdout:
            self._process.stdout.close()
        return "".join(self.seen)


_LISTEN = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); s.sendall(b"MONITOR\\r\\n")
for line in s.makefile(errors="replace"): print(line, end="", flush=True)
"""


def test_two_workers_share_a_run_and_nothing_of_it_is_readable_at_the_broker(world: WorkerWorld) -> None:
    """One of them has no metadata store in its environment file, and so no part in that."""
    workers = [start_worker(where) for where in (world.environment, world.bare)]
    monitor = Monitor(world.valkey)
    try:
        run = world.start("shared", 40)
        assert run.wait(120) == 0, world.said()
    finally:
        crossed = monitor.end()
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        codes = [worker.wait(20) for worker in workers]
    whole(world, "shared", 40)
    directory = world.directory("shared")
    password = (directory / "keystore.password").read_text()
    assert "cicscenario-work" in crossed
    assert "cicscenario.work" in crossed
    for path in (directory / "keystore").glob("*.json"):
        key = decrypt(path.read_bytes(), password).hex()
        assert key not in crossed
        assert path.stem not in crossed, "nor the accounts, or the files"
    for secret in (password, SECRET, (directory / "secret").read_text().strip()):
        assert secret not in crossed
    assert "ciphertext" not in crossed
    for word in ("cic.person", "vcard", "BEGIN:VCARD", "+254"):
        assert word not in crossed
    seen = json.loads((directory / "workers.json").read_text())["workers"]
    by = {one["name"].split("/")[1].split("-")[0]: one["done"] for one in seen}
    full, bare = (by[str(worker.pid)] for worker in workers)
    assert full["keyfiles"] + bare["keyfiles"] == 40
    assert full["entries"] >= 80
    assert "entries" not in bare
    command = command_line("status", str(world.folder / "shared.yaml"))
    done = subprocess.run(command, env=command_environment(world.home), capture_output=True, text=True)
    assert done.stdout.count("keyfiles done") == 2, done.stdout
    assert codes == [0, 0], (world.folder / "worker.log").read_text()


def test_workers_that_a_run_starts_know_its_services_and_variables(world: WorkerWorld) -> None:
    """The secret is in a variable of the user's shell, which no process is given as one."""
    own = world.folder / "variable.yaml"
    text = world.environment.read_text()
    own.write_text(text.replace(f"'file:{world.folder / 'secret'}'", "'{{ env.OWN_SECRET }}'"))
    size = 20
    path = world.scenario("own", size)
    environment = command_environment(world.home) | {"OWN_SECRET": SECRET}
    run = command_line("run", str(path), "--env", str(own), "--workers", "1")
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    whole(world, "own", size)
    (worker,) = json.loads((world.directory("own") / "workers.json").read_text())["workers"]
    assert worker["done"]["keyfiles"] == size
    assert worker["done"]["entries"] >= 2 * size, "those of phones are asked for again where they lead elsewhere"
    with working(world.environment, 1):
        verify = command_line("verify", str(path), "--env", str(own))
        done = subprocess.run(verify, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kills_of_workers_broker_and_run_lose_nothing_and_double_nothing(world: WorkerWorld) -> None:
    """Each is killed while files are written; who was killed is started again."""
    name, size = "killed", 140
    workers = [start_worker(world.environment) for _ in range(2)]
    try:
        run = world.start(name, size)
        for number in range(2):
            before = world.written(name)
            eventually(lambda: world.written(name) > before, "waited for files", 60)  # noqa: B023
            workers[number].kill()
            workers[number].wait()
            workers[number] = start_worker(world.environment)
        world.valkey.kill()
        time.sleep(0.5)
        world.valkey.start()
        before = world.written(name)
        eventually(lambda: world.written(name) > before or run.poll() is not None, "waited for files", 60)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        there = {path: path.stat().st_ino for path in (world.directory(name) / "keystore").glob("*.json")}
        again = world.start(name, size)
        assert again.wait(120) == 0, world.said()
        whole(world, name, size)
        assert all(path.stat().st_ino == inode for path, inode in there.items()), "none was written twice"
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def test_a_run_and_a_worker_that_are_killed_at_each_boundary(
    world: WorkerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, size = "boundaries", 12
    helper = start_worker(world.environment)
    try:
        for point in of_situation("run with workers"):
            run = world.start(name, size, f"{point}:1:kill")
            assert run.wait(60) == -signal.SIGKILL, (point, world.said())
        helper.send_signal(signal.SIGSTOP)
        for point in of_situation("worker"):
            monkeypatch.setenv(FAILPOINT, f"{point}:1:kill")
            killed = start_worker(world.environment)
            monkeypatch.delenv(FAILPOINT)
            run = world.start(name, size) if point == "workers.answer:before" else run
            assert killed.wait(60) == -signal.SIGKILL, point
        helper.send_signal(signal.SIGCONT)
        assert run.wait(120) == 0, world.said()
        whole(world, name, size)
    finally:
        helper.kill()
        helper.wait()
