"""A phone interface with everything around it, and hands to look into all of that."""

import http.client
import itertools
import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cicscenario.chainspec import ChainSpec
from cicscenario.people import pointer
from cicscenario.sandbox.ussd.database import DatabaseAddress, prepare
from cicscenario.sandbox.ussd.metaclient import EntrySigner
from cicscenario.sandbox.ussd.service import UssdService, UssdSettings
from cicscenario.sandbox.ussd.tokens import TokenInfo
from tests.support.fake_engine import FakeEngine
from tests.support.fake_meta import FakeMeta
from tests.support.postgres import PASSWORD, USER, Postgres
from tests.support.valkey import Valkey
from tests.support.waiting import eventually

FORM = "application/x-www-form-urlencoded"
CODE = "*483*46#"
_NUMBERS = itertools.count(1)
_ACCOUNT = "blockchain_address, phone_number, preferred_language, password_hash, failed_pin_attempts, status"


class FixedTokens:
    """Everybody has 1234.567890 GFT, as in the recordings."""

    def __init__(self) -> None:
        self.units = 1_234_567_890

    def default(self) -> TokenInfo:
        return TokenInfo("GFT", "Giftable Token", 6, bytes(20))

    def by_symbol(self, symbol: str) -> TokenInfo:
        return TokenInfo(symbol, symbol, 6, bytes(20))

    def balance(self, token: bytes, holder: bytes) -> int:
        return self.units


@dataclass(frozen=True)
class Answer:
    """What came over the wire; ``status`` None is a connection that was closed without an answer."""

    status: int | None
    reason: str | None = None
    headers: dict[str, str] | None = None
    body: str | None = None


DROPPED = Answer(None)


def request(port: int, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
    """Sends exactly these headers, with Host and Content-Length."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        text = response.read().decode()
        kept = {name.lower(): value for name, value in response.getheaders() if name.lower() != "connection"}
        return Answer(response.status, response.reason, kept, text)
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return DROPPED
    finally:
        connection.close()


def database_address(postgres: Postgres, name: str) -> DatabaseAddress:
    return DatabaseAddress("127.0.0.1", postgres.port, name, USER, PASSWORD)


def emptied_database(postgres: Postgres, dialect: str) -> str:
    """Name of the database that tests of a dialect share, one after the other; it is emptied."""
    name = f"cic_ussd_{dialect}"
    prepare(database_address(postgres, name), dialect)
    postgres.execute("TRUNCATE account, ussd_session, task_tracker", database=name)
    return name


class World:
    """``settings`` are those of the service; ``phone()`` is a number that nobody has used."""

    def __init__(
        self,
        valkey: Valkey,
        postgres: Postgres,
        meta: FakeMeta,
        engine: FakeEngine,
        signer: EntrySigner,
        **settings: Any,
    ) -> None:
        self.redis, self.meta, self.engine = valkey.client, meta, engine
        self.tokens = FixedTokens()
        name = settings.pop("database", None) or emptied_database(postgres, settings.get("dialect", "current"))
        self.settings = UssdSettings(
            host="127.0.0.1",
            port=0,
            broker=valkey.url,
            database=database_address(postgres, name),
            chain=ChainSpec.parse("evm:byzantium:8996:bloxberg"),
            meta=meta.url,
            signer=signer,
            tokens=self.tokens,
            **settings,
        )
        self._service: UssdService | None = None
        self.start_again()
        self._sql = postgres.connect(name)

    def close(self) -> None:
        if self._service:
            self._service.stop()
            self._service = None
        self._sql.close()

    def stop(self) -> None:
        assert self._service is not None
        self._service.stop()
        self._service = None

    def start_again(self) -> None:
        """After ``stop``: with the same settings, on another port."""
        self._service = UssdService(self.settings)
        self._service.start()
        self.port = self._service.port

    def phone(self) -> str:
        return f"+2547{next(_NUMBERS):08d}"

    def post(self, session: str, phone: str, text: str | None = "", code: str = CODE) -> Answer:
        fields = {"sessionId": session, "serviceCode": code, "phoneNumber": phone}
        if text is not None:
            fields["text"] = text
        return self.request("POST", "/", {"Content-Type": FORM}, urlencode(fields).encode())

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        return request(self.port, method, path, headers, body)

    def dial(self, phone: str, *texts: str) -> list[str | None]:
        """What a new session shows: after dialling, and after each further text."""
        session = uuid.uuid4().hex
        return [self.post(session, phone, text).body for text in ("", *texts)]

    def register(self, language: str = "1", *, gift: bool = True) -> str:
        """A new person whose account has been reported, with tokens unless told otherwise."""
        phone = self.phone()
        self.dial(phone, language)
        self.wait_for_account(phone)
        self.wait_for_quiet()
        if gift:
            self.engine.gift(self.account(phone)["blockchain_address"])
            self.wait_for_quiet()
        return phone

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._sql.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def account(self, phone: str) -> dict[str, Any]:
        rows = self.sql(f"SELECT {_ACCOUNT} FROM account WHERE phone_number = %s", phone)
        return dict(zip(_ACCOUNT.split(", "), rows[0], strict=True)) if rows else {}

    def last_session(self, phone: str) -> dict[str, Any] | None:
        columns = ("state", "data", "version", "user_input", "service_code")
        rows = self.sql(
            f"SELECT {', '.join(columns)} FROM ussd_session WHERE msisdn = %s ORDER BY created DESC LIMIT 1", phone
        )
        return dict(zip(columns, rows[0], strict=True)) if rows else None

    def wait_for_account(self, phone: str) -> None:
        eventually(lambda: bool(self.account(phone)), f"waited for the account of {phone}")

    def wait_for_quiet(self) -> None:
        """Until nobody has anything to do: all tasks are done, metadata is written, preferences are read."""
        eventually(self._is_quiet, "waited for quiet")

    def _is_quiet(self) -> bool:
        assert self._service is not None
        return (
            (not self.redis.exists("cic-eth") or self.engine.paused) and self.engine.is_idle and self._service.is_idle
        )

    def preferences(self, phone: str) -> Any:
        """As they are cached."""
        address = bytes.fromhex(self.account(phone)["blockchain_address"])
        text = self.redis.get(pointer.preferences(address).hex())
        return json.loads(str(text)) if text else None
