"""Whatever a library raises where the program uses it, people are told an error of ours, with the place and without secrets."""

import hashlib
import http.client
import inspect
import io
import socket
import sqlite3
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import kombu.exceptions
import psycopg2
import pytest
import redis
import redis.exceptions
import requests
import urllib3.exceptions
import yaml
from cryptography.fernet import Fernet, InvalidToken
from eth_abi import exceptions as abi_errors
from faker import Factory
from faker import exceptions as faker_errors
from jinja2 import exceptions as jinja_errors
from jinja2.sandbox import SandboxedEnvironment
from kombu import Producer
from requests.adapters import HTTPAdapter

from cicscenario.chain.keyfile import decrypt, encrypt
from cicscenario.chain.rpc import Rpc
from cicscenario.chainspec import ChainSpec
from cicscenario.errors import CicScenarioError
from cicscenario.language import load_environment, nodes
from cicscenario.people import pins
from cicscenario.people.generator import Generator
from cicscenario.services.accounts import AccountsDatabase
from cicscenario.services.custodial.broker import Broker, _Pool
from cicscenario.services.custodial.messages import Messages
from cicscenario.services.meta import MetaClient
from cicscenario.services.ussd import UssdClient
from cicscenario.state.database import sqlite_errors
from cicscenario.transport import libpq


class PanicError(BaseException):
    """As the Python binding of a Rust library raises one: not an Exception."""


SECRET = "open-sesame"
NOWHERE = "127.0.0.1:9"


def classes(module: Any, base: type[BaseException]) -> list[type[BaseException]]:
    """The exceptions that a module has of its own: all of them below ``base``."""
    found = {kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, base)}
    return sorted(found, key=lambda kind: kind.__name__)


def made(kind: type[BaseException]) -> BaseException:
    """An exception of this class, whatever arguments it wants; a secret is in its text where it has one."""
    for arguments in (
        (SECRET,),
        ("1 127.0.0.1:9",),
        (io.BytesIO(), b"x"),
        (None, "http://127.0.0.1:9", SECRET),
        (None, SECRET),
        ("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        (b"", 3),
        (SECRET, "", 0),
        (SECRET, 1),
        ("", {}, SECRET),
        (),
    ):
        try:
            error = kind(*arguments)
            assert isinstance(f"{error} {error!r}", str)
        except (TypeError, ValueError, AttributeError):
            continue
        return error
    pytest.skip(f"{kind.__name__} cannot be made by itself")


SYSTEM: list[type[BaseException]] = [
    OSError, TimeoutError, ConnectionResetError, ConnectionRefusedError, BrokenPipeError, PermissionError, socket.gaierror,
    ssl.SSLError, ssl.SSLCertVerificationError, ssl.SSLEOFError,
]  # fmt: skip
TEXT: list[type[BaseException]] = [UnicodeDecodeError, UnicodeEncodeError, ValueError]
HTTP = classes(http.client, http.client.HTTPException)
URLLIB3 = classes(urllib3.exceptions, urllib3.exceptions.HTTPError)
REQUESTS = classes(requests.exceptions, requests.RequestException)
REDIS = classes(redis.exceptions, redis.exceptions.RedisError)
PSYCOPG2 = [*classes(psycopg2, psycopg2.Error), psycopg2.errors.QueryCanceled, psycopg2.errors.InsufficientPrivilege]


@dataclass(frozen=True)
class Door:
    """Where a library is entered: what is made to fail, how it is used, and what the error must name."""

    holder: Any
    name: str
    use: Callable[[], object]
    names: str
    raised: list[type[BaseException]]


def redis_door(use: Callable[[Broker], object]) -> Door:
    broker = Broker(f"redis://:{SECRET}@{NOWHERE}/0", "queue", patience=0)
    # This client's pool alone: what other tests of this process have left running uses other clients.
    return Door(broker._redis.connection_pool, "get_connection", lambda: use(broker), NOWHERE, REDIS + SYSTEM + TEXT)


def _ussd() -> object:
    client = UssdClient(f"http://{NOWHERE}", username="gateway", password=SECRET)
    return client.check()


def _meta() -> object:
    return MetaClient(f"http://{NOWHERE}", pauses=(0.0,)).get(bytes(32))


def _database() -> AccountsDatabase:
    return AccountsDatabase("127.0.0.1", 9, "cic_ussd", "somebody", SECRET)


def _generator() -> object:
    return Generator(seed=1, region="KE", locales=["en_US"], languages=[("en", 1)], tags=[], gift_threshold=1)


LIGHT = encrypt(bytes(31) + b"\1", SECRET, "light")
SPEC = ChainSpec.parse("evm:byzantium:8996:bloxberg")

DOORS: dict[str, Door] = {
    "requests, of a node": Door(
        HTTPAdapter, "send", lambda: Rpc(f"http://user:{SECRET}@{NOWHERE}/{SECRET}", patience=0).call("eth_chainId"),
        NOWHERE, REQUESTS + URLLIB3 + HTTP + SYSTEM + TEXT,
    ),
    "requests, of the phone interface": Door(
        HTTPAdapter, "send", _ussd, NOWHERE, REQUESTS + URLLIB3 + HTTP + SYSTEM + TEXT
    ),
    "requests, before anything is sent": Door(
        requests.Session, "prepare_request", _ussd, NOWHERE, REQUESTS + URLLIB3 + HTTP + SYSTEM + TEXT
    ),
    "urllib3, below requests": Door(
        urllib3.HTTPConnectionPool, "urlopen", lambda: Rpc(f"http://{NOWHERE}/{SECRET}", patience=0).call("eth_chainId"),
        NOWHERE, URLLIB3 + HTTP + SYSTEM + TEXT,
    ),
    "http.client, connecting": Door(http.client.HTTPConnection, "connect", _meta, NOWHERE, HTTP + SYSTEM + TEXT),
    "redis, ping": redis_door(lambda broker: broker.ping()),
    "redis, push": redis_door(lambda broker: broker.push([b"{}"])),
    "redis, read": redis_door(lambda broker: broker.waiting()),
    "psycopg2, connecting": Door(libpq, "connect", lambda: _database().check(), "127.0.0.1:9/cic_ussd", PSYCOPG2 + TEXT),
    "kombu": Door(
        Producer, "publish", lambda: Messages("queue", SPEC).call("id", "a.task", []), "a.task",
        [*classes(kombu.exceptions, kombu.exceptions.KombuError), TypeError, ValueError],
    ),
    "hashlib": Door(
        hashlib, "scrypt", lambda: decrypt(LIGHT, SECRET), "keystore file",
        [ValueError, MemoryError, OverflowError, AttributeError],
    ),
    "Faker": Door(
        Factory, "create", _generator, "en_US",
        [*classes(faker_errors, faker_errors.BaseFakerException), AttributeError, ImportError, ValueError],
    ),
}  # fmt: skip
CASES = [(name, kind) for name, door in DOORS.items() for kind in dict.fromkeys(door.raised)]


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}: {kind.__name__}" for name, kind in CASES])
def test_what_is_raised_at_a_door_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: type[BaseException]
) -> None:
    door, error = DOORS[name], made(kind)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(door.holder, door.name, fail)
    with pytest.raises(CicScenarioError) as caught:
        door.use()
    assert door.names in caught.value.message
    assert "Traceback" not in caught.value.message


SECRETS_KEPT = ("requests, of a node", "requests, of the phone interface", "psycopg2, connecting")


@pytest.mark.parametrize("name", SECRETS_KEPT)
def test_a_secret_in_what_a_library_says_is_not_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    door = DOORS[name]
    kind = psycopg2.OperationalError if "psycopg2" in name else requests.ConnectionError

    def fail(*arguments: Any, **_: Any) -> None:
        url = arguments[1] if len(arguments) > 1 else SECRET
        raise kind(f"cannot reach {url}")

    monkeypatch.setattr(door.holder, door.name, fail)
    with pytest.raises(CicScenarioError) as caught:
        door.use()
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("kind", classes(sqlite3, sqlite3.DatabaseError), ids=lambda kind: kind.__name__)
def test_what_sqlite_raises_about_its_file_is_told(kind: type[BaseException]) -> None:
    """Not what is a fault of our own statements: a broken constraint, a wrong use of the library."""
    with pytest.raises((CicScenarioError, kind)) as caught, sqlite_errors(Path("state.sqlite")):
        raise kind("trouble")
    ours = kind in (sqlite3.IntegrityError, sqlite3.ProgrammingError)
    assert isinstance(caught.value, kind if ours else CicScenarioError)
    assert ours or "state.sqlite" in str(caught.value)


@pytest.mark.parametrize(
    "kind", [*classes(yaml, yaml.YAMLError), RecursionError, ValueError], ids=lambda kind: kind.__name__
)
def test_what_yaml_raises_is_told_with_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[BaseException]
) -> None:
    path = tmp_path / "place.yaml"
    path.write_text("version: 1\nname: place\n")
    mark = yaml.Mark("place.yaml", 0, 0, 0, None, None)
    error = kind("while", mark, "trouble", mark) if issubclass(kind, yaml.MarkedYAMLError) else made_by_yaml(kind)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(nodes._Composer, "document", fail)
    with pytest.raises(CicScenarioError, match=r"place\.yaml"):
        load_environment(path)


def made_by_yaml(kind: type[BaseException]) -> BaseException:
    if issubclass(kind, yaml.reader.ReaderError):
        return kind("place.yaml", 0, 0, "utf-8", "trouble")
    return kind("trouble")


@pytest.mark.parametrize("kind", classes(jinja_errors, jinja_errors.TemplateError), ids=lambda kind: kind.__name__)
def test_what_jinja_raises_is_told_with_the_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[BaseException]
) -> None:
    path = tmp_path / "place.yaml"
    path.write_text("version: 1\nname: '{{ 1 + 1 }}'\n")
    error = kind("trouble", 1) if issubclass(kind, jinja_errors.TemplateSyntaxError) else kind("trouble")

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(SandboxedEnvironment, "compile_expression", fail)
    monkeypatch.setattr(SandboxedEnvironment, "parse", fail)
    with pytest.raises(CicScenarioError, match=r"place\.yaml"):
        load_environment(path)


@pytest.mark.parametrize(
    "text", ["$2b$99$" + "." * 53, "$2b$00$" + "." * 53, "$2b$03$" + "a" * 53, "$2x$08$" + "z" * 53]
)
def test_a_hash_that_bcrypt_refuses_is_the_hash_of_no_pin(text: str) -> None:
    assert pins.verify(text, "1234") is False


@pytest.mark.parametrize("raised", [ValueError, TypeError, PanicError])
def test_what_bcrypt_raises_is_no_end(monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]) -> None:
    def fail(*_: Any) -> None:
        raise raised(SECRET)

    monkeypatch.setattr(bcrypt, "checkpw", fail)
    assert pins.verify("$2b$08$" + "." * 53, "1234") is False


@pytest.mark.parametrize("pepper", ["", "short", "é" * 44, "A" * 43, "\ud800"])
def test_a_pepper_that_is_no_key_is_told(pepper: str) -> None:
    with pytest.raises(CicScenarioError, match="pepper") as caught:
        pins.PinHasher("fernet", pepper=pepper)
    assert not pepper or pepper not in caught.value.message


@pytest.mark.parametrize("raised", [InvalidToken, ValueError, TypeError])
def test_a_token_that_fernet_refuses_is_the_hash_of_no_pin(
    monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    key = Fernet.generate_key().decode()
    token = pins.PinHasher("fernet", cost=4, pepper=key).hash("1234")

    def fail(*_: Any) -> None:
        raise raised

    monkeypatch.setattr(Fernet, "decrypt", fail)
    assert pins.verify(token, "1234", key) is False


def test_a_listener_for_callbacks_lives_on() -> None:
    """Whatever its connection raises, it subscribes again, and whoever waits hears of the trouble."""
    from cicscenario.services.custodial.callbacks import Callbacks

    broker = Broker(f"redis://{NOWHERE}/0", "queue", patience=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Pool, "get_connection", raising(UnicodeError("label too long")))
        callbacks = Callbacks(broker, "channel")
        with pytest.raises(CicScenarioError, match=NOWHERE):
            callbacks.confirmed(0.3)
        callbacks.close()


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("depth", [100_000])
def test_an_answer_that_is_nested_without_end_is_told(monkeypatch: pytest.MonkeyPatch, depth: int) -> None:
    reply = requests.Response()
    reply.status_code, reply._content, reply._content_consumed = 200, b"[" * depth, True
    monkeypatch.setattr(HTTPAdapter, "send", lambda *_, **__: reply)
    with pytest.raises(CicScenarioError, match=f"{NOWHERE} does not speak JSON-RPC"):
        Rpc(f"http://{NOWHERE}", patience=0).call("eth_chainId")


@pytest.mark.parametrize(
    "kind", [*classes(abi_errors, abi_errors.DecodingError), ValueError, TypeError], ids=lambda kind: kind.__name__
)
def test_what_eth_abi_raises_about_an_answer_is_told(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    from cicscenario.chain import contractreader

    reader = contractreader.ContractReader(Rpc(f"http://{NOWHERE}", patience=0))
    call = contractreader.ViewFunction("addressOf(bytes32)", "address").at(b"\x11" * 20)
    monkeypatch.setattr(contractreader, "decode", raising(kind("trouble")))
    with pytest.raises(CicScenarioError, match=NOWHERE) as caught:
        reader._value(call, "0x" + "00" * 32)
    assert "addressOf" in caught.value.message
