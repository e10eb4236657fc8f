"""Builds the phone interface from its parts, starts it and stops it."""

import json
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.leanredis import LeanRedis
from cicscenario.sandbox.pace import WorkPace
from cicscenario.sandbox.ussd.accounts import UssdAccounts
from cicscenario.sandbox.ussd.cache import Cache, key, languages_key
from cicscenario.sandbox.ussd.conversation import Conversation
from cicscenario.sandbox.ussd.database import Database, DatabaseAddress, prepare
from cicscenario.sandbox.ussd.engine import QUEUE, CeleryEngineClient
from cicscenario.sandbox.ussd.faults import UssdFaults
from cicscenario.sandbox.ussd.inbox import Inbox, Reader
from cicscenario.sandbox.ussd.menus import CURRENT, OLD, Menus
from cicscenario.sandbox.ussd.metaclient import EntrySigner, SigningMetaClient
from cicscenario.sandbox.ussd.metadata import METADATA_QUEUE, MetadataSync, MetadataWriter
from cicscenario.sandbox.ussd.parts import Parts
from cicscenario.sandbox.ussd.pins import BcryptPinScheme, FernetPinScheme, PinScheme
from cicscenario.sandbox.ussd.profiles import Profiles
from cicscenario.sandbox.ussd.reports import Reports
from cicscenario.sandbox.ussd.statements import Statements
from cicscenario.sandbox.ussd.tokens import Tokens
from cicscenario.sandbox.ussd.wallet import CurrentWallet, OldWallet, Wallet
from cicscenario.sandbox.ussd.web import UssdApplication, UssdServer


@dataclass(frozen=True)
class UssdSettings:
    """Addresses of the services that the phone interface needs, and its own options."""

    host: str
    port: int
    broker: str  #: URL of Redis, the same as the custodial engine's
    database: DatabaseAddress
    chain: ChainSpec
    meta: str  #: URL of the metadata server
    signer: EntrySigner
    tokens: Tokens
    dialect: str = CURRENT
    fallback: str = "sw"
    faults: UssdFaults = field(default_factory=UssdFaults)
    pace: WorkPace = field(default_factory=WorkPace)


class UssdService:
    """The phone interface. Raises UnavailableError when a service that it needs is down."""

    def __init__(self, settings: UssdSettings) -> None:
        prepare(settings.database, settings.dialect)
        self._redis = LeanRedis.from_url(settings.broker, decode_responses=True)
        self._stop = threading.Event()
        self._databases = [Database(settings.database), Database(settings.database)]
        self._menus = Menus(settings.dialect, settings.fallback)
        self._engine = CeleryEngineClient(settings.broker, settings.chain)
        self._store_defaults(settings)
        self._meta = SigningMetaClient(settings.meta, settings.signer)
        self._writer = MetadataWriter(self._meta, self._stop, settings.pace)
        self._metadata = MetadataSync(self._meta, self._redis)
        reports = Reports(
            settings.dialect, self._databases[1], self._redis, settings.tokens, settings.faults, self._meta,
            self._statements(settings),
        )  # fmt: skip
        self._readers = [
            Reader(Inbox(settings.broker, QUEUE), settings.faults.slow_callback, reports.handle, self._stop),
            Reader(Inbox(settings.broker, METADATA_QUEUE), settings.faults.meta_delay, self._writer.handle, self._stop),
        ]
        converse = self._conversation(settings).answer
        gate = UssdApplication(settings.dialect, self._menus, converse, settings.faults.error_every, settings.pace)
        self._server = UssdServer(settings.host, settings.port, gate)
        self._front = threading.Thread(target=self._server.serve_until_ended, name="front", daemon=True)

    def _store_defaults(self, settings: UssdSettings) -> None:
        """Stores the default token and the list of languages in Redis, as cic-ussd does at its start."""
        chain = key(":cic.token.default", str(settings.chain).encode())
        token = json.dumps(settings.tokens.default().as_entry())
        try:
            self._redis.mset({chain: token, languages_key(): json.dumps(self._menus.listed_languages)})
        except RedisError as error:
            raise UnavailableError(
                f"Redis at {_without_password(settings.broker)} does not answer: {error}",
                hint="is it running, and is --broker right?",
            ) from None

    def _conversation(self, settings: UssdSettings) -> Conversation:
        dialect, is_old = settings.dialect, settings.dialect == OLD
        cache = Cache(self._redis)
        pins: PinScheme = FernetPinScheme() if is_old else BcryptPinScheme()
        accounts = UssdAccounts(self._databases[0], dialect)
        wallet: Wallet = (OldWallet if is_old else CurrentWallet)(cache, settings.tokens)
        profiles = Profiles(dialect, cache, settings.chain)
        parts = Parts(self._menus, pins, accounts, cache, wallet, profiles, self._engine, self._metadata)
        return Conversation(dialect, parts)

    def _statements(self, settings: UssdSettings) -> Statements:
        cache = Cache(self._redis)
        accounts = UssdAccounts(self._databases[1], settings.dialect)
        profiles = Profiles(settings.dialect, cache, settings.chain)
        return Statements(settings.dialect, self._menus, accounts, cache, profiles)

    @property
    def port(self) -> int:
        """The port it listens on; with port 0 in the settings, the system has chosen it."""
        return int(self._server.server_address[1])

    @property
    def is_idle(self) -> bool:
        """Whether there are no reports, metadata or preferences left to handle."""
        return self._metadata.is_idle and all(reader.inbox.is_empty for reader in self._readers)

    def start(self) -> None:
        self._metadata.start()
        for reader in self._readers:
            reader.start()
        self._front.start()

    def stop(self) -> None:
        """Stops all threads; messages that are not handled stay in Redis until the next start."""
        self._stop.set()
        self._server.end()
        self._front.join()
        self._server.server_close()
        for reader in self._readers:
            reader.end()
        self._writer.close()
        self._metadata.close()
        self._meta.close()
        self._engine.close()
        for database in self._databases:
            database.close()
        self._redis.close()


def _without_password(url: str) -> str:
    """Host, port and path of a URL."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path}"
