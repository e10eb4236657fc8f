"""A real PostgreSQL for tests: the programs of a wheel, a temporary folder, a free port of 127.0.0.1."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import psycopg2

from cicscenario.sandbox.ports import free_port
from cicscenario.sandbox.services.postgres import reachable_programs
from tests.support.waiting import eventually

USER, PASSWORD = "cicscenario", "quite-secret"
_SETTINGS = {"listen_addresses": "127.0.0.1", "fsync": "off", "log_min_messages": "log"}


class Postgres:
    """Up from ``__enter__`` to ``__exit__``. PostgreSQL refuses root, so as root it belongs to nobody."""

    def __init__(self) -> None:
        #: Of the data, the log and the Unix socket.
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=_roomy_folder()))
        self.port = free_port()
        self.log = self.folder / "log"
        self._data = self.folder / "data"
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs = reachable_programs(self.folder)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        done = subprocess.run(
            [self._programs / "initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", "--pwfile", password,
             "--locale=C", "-E", "UTF8", "--no-sync"],
            capture_output=True, cwd=self.folder, timeout=60, **self._as_user,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        settings = _SETTINGS | {"unix_socket_directories": str(self.folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-p", str(self.port), *options],
                stdout=log, stderr=log, cwd=self.folder, **self._as_user,
            )  # fmt: skip
        eventually(self._answers, f"waited for PostgreSQL, see {self.log}")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Does not wait for clients."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def login(self, database: str = "postgres") -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "database": database, "user": USER, "password": PASSWORD}

    def connect(self, database: str = "postgres") -> Any:
        """A connection that commits by itself."""
        connection = psycopg2.connect(**self.login(database))
        connection.autocommit = True
        return connection

    def execute(self, statement: str, *values: Any, database: str = "postgres") -> list[Any]:
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


def _roomy_folder() -> str:
    """Where thousands of small files come and go quickly: in memory, if there is enough of it."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2 * 10**9 else "/tmp"
