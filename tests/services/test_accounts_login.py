"""How the account database is reached: by the environment file and its service file, and by nothing of the shell or the home."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from cicscenario.connections import Connections, Service
from cicscenario.errors import CicScenarioError, InvalidError, UnavailableError
from cicscenario.language import load_environment
from cicscenario.services.accounts_login import read_login
from cicscenario.transport import libpq
from tests.support.authority import Authority, tls_before
from tests.support.hostile_shell import HOSTILE_SHELL, LIBPQ
from tests.support.postgres import PASSWORD, USER, Postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(autouse=True)
def hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell that says something else everywhere, and a home folder that does, too."""
    for name, value in HOSTILE_SHELL.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    (home / ".postgresql").mkdir(parents=True)
    for name in ("root.crt", "root.crl", "postgresql.crt", "postgresql.key"):
        (home / ".postgresql" / name).write_text("nothing that could be used")
    (home / ".pgpass").write_text("*:*:*:*:wrong\n")
    (home / ".pgpass").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))


def accounts(folder: Path, keys: str, ca: str = "") -> Connections:
    path = folder / "place.yaml"
    path.write_text(f"version: 1\nname: place\nspec: evm:byzantium:8996:bloxberg\n{ca}accounts: {{{keys}}}\n")
    (folder / "password").write_text(PASSWORD)
    return Connections(load_environment(path), token=None, dialect="current")


def let_in(services: Connections) -> None:
    """Only the table is missing: the database has answered."""
    with pytest.raises(UnavailableError, match="has no table `account`"):
        services.ask(Service.ACCOUNTS)


def test_nothing_of_the_shell_and_the_home_counts(tmp_path: Path, postgres: Postgres) -> None:
    keys = f"host: 127.0.0.1, port: {postgres.port}, database: postgres, user: {USER}, password: 'file:password'"
    let_in(accounts(tmp_path, keys))


def test_what_the_session_has_is_not_the_shells(postgres: Postgres) -> None:
    connection = libpq.connect(**postgres.login())
    shown = {}
    for name in ("timezone", "datestyle", "search_path", "client_encoding", "application_name", "geqo"):
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW {name}")
            shown[name] = cursor.fetchone()[0]  # type: ignore[index]
    connection.close()
    assert shown["timezone"] != LIBPQ["PGTZ"]
    assert "German" not in shown["datestyle"]
    assert shown["search_path"] != "nowhere"
    assert shown["client_encoding"] == "UTF8"
    assert shown["application_name"] == ""
    assert shown["geqo"] == "on"


def test_a_variable_that_a_file_refers_to_is_still_there(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    keys = f"host: 127.0.0.1, port: {postgres.port}, database: postgres, user: {USER}, password: '{{{{ env.PGPASSWORD }}}}'"
    for _ in range(2):
        let_in(accounts(tmp_path, keys))


def test_a_socket_is_named_by_its_folder(tmp_path: Path, postgres: Postgres) -> None:
    keys = (
        f"host: {postgres.folder}, port: {postgres.port}, database: postgres, user: {USER}, password: 'file:password'"
    )
    services = accounts(tmp_path, keys)
    let_in(services)
    assert services.accounts.name == f"{postgres.folder}:{postgres.port}/postgres"
    with pytest.raises(UnavailableError, match="/nonexistent:5432/cic_ussd failed: connection to server on socket"):
        accounts(tmp_path, "host: /nonexistent").ask(Service.ACCOUNTS)


def test_an_empty_password_is_one(tmp_path: Path, postgres: Postgres) -> None:
    (tmp_path / "nothing").write_text("")
    keys = f"host: 127.0.0.1, port: {postgres.port}, database: postgres, user: {USER}, password: 'file:nothing'"
    with pytest.raises(UnavailableError, match="no password supplied"):
        accounts(tmp_path, keys).ask(Service.ACCOUNTS)


# Service files


def service_file(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def test_a_service_says_what_the_environment_file_does_not(tmp_path: Path, postgres: Postgres) -> None:
    service_file(
        tmp_path / "services.conf",
        f"# a comment\n[other]\nhost=203.0.113.1\n\n [ussd] \nhost = 127.0.0.1\nport={postgres.port}\ndbname=postgres\n"
        f"user={USER}\npassword={PASSWORD}\noptions=-c search_path=public\nconnect_timeout=3\n[later]\nport=9\n",
    )
    let_in(accounts(tmp_path, "service: ussd, servicefile: services.conf"))
    services = accounts(tmp_path, "service: ussd, servicefile: services.conf, database: elsewhere")
    with pytest.raises(UnavailableError, match='database "elsewhere" does not exist'):
        services.ask(Service.ACCOUNTS)
    assert services.accounts.name == f"127.0.0.1:{postgres.port}/elsewhere"


def test_a_service_file_is_looked_for_at_home(tmp_path: Path, postgres: Postgres) -> None:
    keys = f"[ussd]\nhost=127.0.0.1\nport={postgres.port}\ndbname=postgres\nuser={USER}\npassword={PASSWORD}\n"
    service_file(tmp_path / "home" / ".pg_service.conf", keys)
    let_in(accounts(tmp_path, "service: ussd"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"cannot read the service file .*services\.conf: no such file"),
        ("", r"services\.conf has no service \[ussd\]"),
        ("[USSD]\nhost=x\n", r"has no service \[ussd\]"),
        ("host=x\n", r"has no service \[ussd\]"),
        ("[ussd]\nhost\n", r"services\.conf:2: not a parameter of a connection"),
        ("[ussd]\nservice=other\n", r"services\.conf:2: not a parameter"),
        ("[ussd]\nhost=127.0.0.1\nshoe_size=44\n", "cannot be reached by these parameters: .*shoe_size"),
    ],
)
def test_a_service_that_is_none_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        service_file(tmp_path / "services.conf", text)
    with pytest.raises(InvalidError, match=words) as caught:
        accounts(tmp_path, "service: ussd, servicefile: services.conf").ask(Service.ACCOUNTS)
    assert caught.value.hint


def test_a_service_file_at_home_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("Could not determine home directory."))
    )
    with pytest.raises(InvalidError, match="there is no home folder"):
        libpq.read_service("ussd", None)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("port: 5432", "exactly one of host, service"),
        ("host: x, service: y", "exactly one of host, service"),
        ("host: x, servicefile: y", "`servicefile` also needs `service`"),
        ("host: x, sslcert: y", "`sslcert` also needs `sslkey`"),
        ("host: x, sslmode: on", "one of disable, allow"),
        ("host: x, sslmode: sometimes", "one of disable, allow"),
    ],
)
def test_keys_that_do_not_go_together_are_told(tmp_path: Path, keys: str, words: str) -> None:
    with pytest.raises(CicScenarioError, match=words):
        accounts(tmp_path, keys)


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize(
    ("security", "ca", "refused"),
    [
        ("sslmode: verify-full", "ca: ca.pem\n", None),
        ("sslmode: verify-ca", "ca: ca.pem\n", None),
        ("sslmode: verify-full, sslrootcert: ca.pem", "", None),
        ("sslmode: verify-full, sslrootcert: ca.pem", "ca: other.pem\n", None),
        ("sslmode: verify-full, sslrootcert: other.pem", "ca: ca.pem\n", "certificate verify failed"),
        ("sslmode: verify-full", "ca: other.pem\n", "certificate verify failed"),
        ("sslmode: verify-full", "", "certificate verify failed"),
        ("sslmode: require", "", None),
        ("sslmode: require, sslrootcert: other.pem", "", "certificate verify failed"),
        ("sslmode: prefer", "ca: other.pem\n", None),
    ],
)
def test_tls_is_as_the_environment_file_says(
    tmp_path: Path, postgres: Postgres, authority: Authority, security: str, ca: str, refused: str | None
) -> None:
    Authority(tmp_path, "other")
    with tls_before(postgres.port, authority.server(), postgres=True) as port:
        login = f"host: 127.0.0.1, port: {port}, database: postgres, user: {USER}, password: 'file:password'"
        services = accounts(tmp_path, f"{login}, {security}", ca)
        if refused is None:
            let_in(services)
        else:
            with pytest.raises(UnavailableError, match=refused) as caught:
                services.ask(Service.ACCOUNTS)
            assert "`ca` or `accounts.sslrootcert`" in str(caught.value.hint)


def test_a_server_without_tls_is_not_spoken_to_in_clear(tmp_path: Path, postgres: Postgres) -> None:
    keys = f"host: 127.0.0.1, port: {postgres.port}, database: postgres, user: {USER}, password: 'file:password'"
    with pytest.raises(UnavailableError, match="server does not support SSL"):
        accounts(tmp_path, f"{keys}, sslmode: require").ask(Service.ACCOUNTS)


@pytest.mark.parametrize("missing", ["sslrootcert", "sslcert", "sslkey"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, authority: Authority, missing: str) -> None:
    files = {"sslrootcert": "ca.pem", "sslcert": "ca.pem", "sslkey": "ca.pem"} | {missing: "nothing.pem"}
    keys = ", ".join(f"{name}: {file}" for name, file in files.items())
    with pytest.raises(InvalidError, match=r"cannot read .*nothing\.pem: no such file"):
        accounts(tmp_path, f"host: 127.0.0.1, port: 9, {keys}, sslmode: verify-full").ask(Service.ACCOUNTS)


# What psycopg2 raises beside its own errors


@pytest.mark.parametrize("password", ["caf\udce9", "nul\0byte"])
def test_a_password_that_libpq_cannot_take_is_an_error_of_ours(postgres: Postgres, password: str) -> None:
    from cicscenario.services.accounts import AccountsDatabase

    with pytest.raises(CicScenarioError) as caught:
        AccountsDatabase(**postgres.login() | {"password": password}).check()
    assert password not in caught.value.message


def test_all_variables_of_libpq_are_tried() -> None:
    """The library names those that it reads: one that it learns later turns this red."""
    folder = Path(psycopg2.__file__).parent.with_name("psycopg2_binary.libs")
    library = next(folder.glob("libpq*"), None)
    if library is None:
        pytest.skip("this psycopg2 uses the libpq of the system")
    named = set(re.findall(rb"(?<=\0)PG[A-Z_]{2,30}(?=\0)", library.read_bytes()))
    assert {name.decode() for name in named if not name.startswith(b"PGRES")} <= set(LIBPQ)


def test_variables_are_removed_by_threads_at_the_same_time(postgres: Postgres) -> None:
    problems: list[BaseException] = []

    def connect() -> None:
        try:
            libpq.connect(**postgres.login()).close()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=connect) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert os.environ["PGHOST"] == LIBPQ["PGHOST"]


# Passwords


@contextmanager
def asking(kind: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Whoever answers on PostgreSQL's port, and asks for the password in its way; and what it has been sent.

    Source: PostgreSQL's documentation, "Message Formats".
    """
    heard: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection = listening.accept()[0]
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    if connection.recv(8)[4:] == b"\x04\xd2\x16\x2f":  # asks for TLS
                        connection.sendall(b"N")
                        connection.recv(1000)
                    connection.sendall(kind)
                    heard.append(connection.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1], heard
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


CLEAR = b"R\0\0\0\x08\0\0\0\x03"
MD5 = b"R\0\0\0\x0c\0\0\0\x05salt"
IN = b"R\0\0\0\x08\0\0\0\0"


@pytest.mark.parametrize("by_service", [False, True])
@pytest.mark.parametrize("kind", [CLEAR, MD5, IN], ids=["clear text", "md5", "no question"])
def test_whoever_answers_on_the_port_is_not_given_the_password(tmp_path: Path, kind: bytes, by_service: bool) -> None:
    with asking(kind) as (port, heard):
        where = f"host: 127.0.0.1, port: {port}, database: a, user: b, password: 'file:password'"
        if by_service:
            service_file(
                tmp_path / "s.conf", f"[ussd]\nhost=127.0.0.1\nport={port}\ndbname=a\nuser=b\npassword={PASSWORD}\n"
            )
            where = "service: ussd, servicefile: s.conf"
        with pytest.raises(UnavailableError, match='requirement "scram-sha-256" failed') as caught:
            accounts(tmp_path, f"{where}, sslmode: prefer").ask(Service.ACCOUNTS)
    assert "`accounts.require_auth`" in (caught.value.hint or "")
    assert not any(PASSWORD.encode() in text or b"md5" in text for text in heard)


@pytest.mark.parametrize("by_service", [False, True])
def test_the_environment_file_may_allow_clear_text(tmp_path: Path, by_service: bool) -> None:
    with asking(CLEAR) as (port, heard):
        where = (
            f"host: 127.0.0.1, port: {port}, database: a, user: b, password: 'file:password', require_auth: password"
        )
        if by_service:
            text = (
                f"[ussd]\nhost=127.0.0.1\nport={port}\ndbname=a\nuser=b\npassword={PASSWORD}\nrequire_auth=password\n"
            )
            service_file(tmp_path / "s.conf", text)
            where = "service: ussd, servicefile: s.conf"
        with pytest.raises(UnavailableError):
            accounts(tmp_path, where).ask(Service.ACCOUNTS)
    assert PASSWORD.encode() in heard[0]


def test_a_server_that_asks_nothing_is_fine_without_a_password(tmp_path: Path) -> None:
    """As on a Unix socket, where it knows the user."""
    (tmp_path / "place.yaml").write_text(
        "version: 1\nname: place\nspec: evm:byzantium:8996:bloxberg\naccounts: {host: 127.0.0.1, user: b}\n"
    )
    found = load_environment(tmp_path / "place.yaml").accounts
    assert found
    assert "require_auth" not in read_login(found, None).parameters


def test_a_library_that_cannot_hold_the_password_back_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libpq, "version", lambda: 150_004)
    with pytest.raises(InvalidError, match="libpq 15, cannot hold back a password"):
        accounts(tmp_path, "host: 127.0.0.1, password: 'file:password'").ask(Service.ACCOUNTS)
