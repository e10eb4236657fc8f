"""How the engine's Redis is reached: host or socket, number of the database, user and password of its access lists."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Connection

from cicscenario.connections import Connections
from cicscenario.errors import CicScenarioError, InvalidError, UnavailableError
from cicscenario.language import load_environment
from cicscenario.language.diagnostic import DiagnosticsError
from cicscenario.services.custodial.broker import Broker
from cicscenario.transport.redisaddress import RedisAddress
from tests.support.hostile_shell import HOSTILE_SHELL
from tests.support.valkey import Valkey


@pytest.fixture(scope="module")
def redis() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, Valkey(Path(folder), socket=Path(folder) / "s") as server:
        server.client.execute_command("ACL SETUSER cic on >open-sesame ~* &* +@all")
        server.client.execute_command("ACL SETUSER bare on > ~* &* +@all")
        server.client.execute_command("ACL SETUSER reader on >reader-word ~* +get")
        yield server


def socket_of(redis: Valkey) -> str:
    return str(redis.client.config_get("unixsocket")["unixsocket"])


def custodial(folder: Path, keys: str) -> Connections:
    path = folder / "place.yaml"
    path.write_text(f"version: 1\nname: place\nspec: evm:byzantium:8996:bloxberg\ncustodial: {{{keys}}}\n")
    return Connections(load_environment(path), token=None, dialect="current")


def let_in(folder: Path, keys: str) -> None:
    """Only a worker is missing: the Redis has answered."""
    with pytest.raises(UnavailableError, match="no worker takes tasks from the queue"):
        custodial(folder, keys).custodial.check(timeout=0.2)


@pytest.mark.parametrize(
    ("address", "shown", "callback"),
    [
        ("redis://h", "h:6379/0", "h:6379:0"),
        ("redis://h/", "h:6379/0", "h:6379:0"),
        ("redis://h:7/12", "h:7/12", "h:7:12"),
        ("redis://h:7?db=12", "h:7/12", "h:7:12"),
        ("redis://user:word@h:7/1", "h:7/1", "h:7:1"),
        ("rediss://h:7/1", "h:7/1", "h:7:1"),
        ("redis://[::1]:7/1", "[::1]:7/1", "[::1]:7:1"),
        ("redis+socket:///run/r.sock", "/run/r.sock, database 0", None),
        ("redis+socket:///run/r.sock?virtual_host=4", "/run/r.sock, database 4", None),
        ("unix:///run/r%20s.sock?db=4", "/run/r s.sock, database 4", None),
    ],
)
def test_each_form_of_an_address_is_read(address: str, shown: str, callback: str | None) -> None:
    found = RedisAddress.parse(address)
    assert (str(found), found.callback) == (shown, callback)
    assert found.secure is address.startswith("rediss")


@pytest.mark.parametrize(
    "address",
    [
        "", "h:6379", "http://h/0", "redis://", "redis:///0", "redis://h:0/0", "redis://h:99999/0", "redis://h/name",
        "redis://h/-1", "redis://h/1/2", "redis://h/1?db=2", "redis://h/0?ssl_cert_reqs=none", "redis://h/0#x",
        "redis+socket://", "redis+socket://h/run/r.sock", "unix:///run/r.sock?db=x", "redis://h/٣", "redis://h\n/0",
        "unix:///run/r.sock?db=1&virtual_host=2", "redis://h/0?db", "sentinel://h/0",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(InvalidError, match="not the address of a Redis broker"):
        RedisAddress.parse(address)
    with pytest.raises(InvalidError) as caught:
        Broker(address.replace("//", "//user:open-sesame@", 1), "queue")
    assert "sesame" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("shell", ["as it is", "hostile"])
@pytest.mark.parametrize("place", ["host", "redis+socket", "unix"])
@pytest.mark.parametrize(
    ("keys", "password"),
    [
        ("", None),
        ("user: cic, password: 'file:password'", "open-sesame"),
        ("user: bare, password: 'file:password'", ""),
    ],
)
def test_a_redis_is_reached_at_a_host_and_at_a_socket(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    redis: Valkey,
    place: str,
    keys: str,
    password: str | None,
    shell: str,
) -> None:
    for name, value in HOSTILE_SHELL.items() if shell == "hostile" else ():
        monkeypatch.setenv(name, value)
    if password is not None:
        (tmp_path / "password").write_text(password)
    broker = {
        "host": f"redis://127.0.0.1:{redis.port}/5",
        "redis+socket": f"redis+socket://{socket_of(redis)}?virtual_host=5",
        "unix": f"unix://{socket_of(redis)}?db=5",
    }[place]
    let_in(tmp_path, f"broker: '{broker}', callback: 'redis:6379:5', {keys}")


def test_a_number_is_that_of_the_database(redis: Valkey) -> None:
    for number, place in ((2, f"redis://127.0.0.1:{redis.port}/2"), (6, f"unix://{socket_of(redis)}?db=6")):
        Broker(place, "queue").push([b"1"] * number)
        assert Broker(place, "queue").waiting() == number
        assert Broker(f"redis://127.0.0.1:{redis.port}/{number}", "queue").waiting() == number
    assert Broker(f"redis://127.0.0.1:{redis.port}/0", "queue").waiting() == 0


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("user: cic, password: 'file:wrong'", "wants another user name or password"),
        ("user: stranger, password: 'file:wrong'", "wants another user name or password"),
        ("user: bare, password: 'file:wrong'", "wants another user name or password"),
        ("user: reader, password: 'file:reader'", "refuses"),
    ],
)
def test_a_user_who_is_not_let_in_is_told(tmp_path: Path, redis: Valkey, keys: str, words: str) -> None:
    (tmp_path / "wrong").write_text("quite-another")
    (tmp_path / "reader").write_text("reader-word")
    with pytest.raises(UnavailableError, match=words) as caught:
        custodial(tmp_path, f"broker: 'redis://127.0.0.1:{redis.port}/0', {keys}").custodial.check(timeout=0.2)
    assert "quite-another" not in f"{caught.value.message} {caught.value.hint}"


def test_a_server_whose_password_is_set_is_not_opened_by_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("")
    with Valkey(tmp_path) as server:
        where = f"broker: 'redis://127.0.0.1:{server.port}/0', password: 'file:password'"
        let_in(tmp_path, where)
        server.client.config_set("requirepass", "open-sesame")
        with pytest.raises(UnavailableError, match="wants another user name or password"):
            custodial(tmp_path, where).custodial.check(timeout=0.2)


def test_a_socket_has_no_address_for_the_worker(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"/run/r\.sock.* needs `custodial\.callback`"):
        _ = custodial(tmp_path, "broker: 'redis+socket:///run/r.sock'").custodial


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    keys = f"broker: 'unix://{tmp_path}/nothing', callback: 'redis:6379:0'"
    with pytest.raises(UnavailableError, match="nothing, database 0 does not answer"):
        custodial(tmp_path, keys).custodial.check(timeout=0.2)


@pytest.mark.parametrize("broker", ["redis://cic:word@h/0", "redis://:word@h/0", "redis://h/0?password=word"])
def test_a_password_in_an_address_is_refused_by_the_language(tmp_path: Path, broker: str) -> None:
    with pytest.raises(DiagnosticsError) as caught:
        custodial(tmp_path, f"broker: '{broker}'")
    assert "custodial.broker" in str(caught.value)


def test_a_user_needs_a_password(tmp_path: Path) -> None:
    with pytest.raises(CicScenarioError, match="`user` also needs `password`"):
        custodial(tmp_path, "broker: 'redis://h/0', user: cic")


def test_a_connection_that_was_not_waited_for_is_not_used_again(redis: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that connects goes on alone, and closes what it has: that must not be what the next command uses."""
    real, begun, late = Connection.connect, list[Connection](), threading.Event()

    def connect(self: Connection) -> None:
        if self.port != redis.port:  # of a thread that another test has left
            return real(self)
        begun.append(self)
        if len(begun) == 1:
            late.wait(60)
            self.disconnect()
        else:
            real(self)
        return None

    monkeypatch.setattr(Connection, "connect", connect)
    broker = Broker(redis.url.replace("redis://", "redis://cic:open-sesame@"), "cic-eth", timeout=0.3, patience=0)
    with pytest.raises(UnavailableError, match=r"within 0\.3 seconds"):
        broker.ping()
    broker.ping()
    assert len(begun) == 2
    assert begun[0] is not begun[1]
    late.set()
    broker.ping()
    assert len(begun) == 2, "one that has connected is used again"
