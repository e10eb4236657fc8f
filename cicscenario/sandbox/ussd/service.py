"""Puts the phone interface together from its parts, starts and stops it."""

import json
import threading
from dataclasses import dataclass, field

from kombu.exceptions import KombuError
from redis import Redis
from redis.exceptions import RedisError

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import UnavailableError
from cicscenario.sandbox.ussd.accounts import Accounts
from cicscenario.sandbox.ussd.cache import Cache, key, languages_key
from cicscenario.sandbox.ussd.conversation import Conversation
from cicscenario.sandbox.ussd.database import Address, Database, prepare
from cicscenario.sandbox.ussd.engine import QUEUE, CeleryEngine
from cicscenario.sandbox.ussd.faults import Faults
from cicscenario.sandbox.ussd.inbox import Inbox, Reader
from cicscenario.sandbox.ussd.machine import Machine
from cicscenario.sandbox.ussd.menus import CURRENT, OLD, Menus
from cicscenario.sandbox.ussd.metaclient import MetaClient, Signer
from cicscenario.sandbox.ussd.metadata import METADATA_QUEUE, MetadataWriter, PreferencesLink
from cicscenario.sandbox.ussd.pins import BcryptPins, FernetPins
from cicscenario.sandbox.ussd.reports import Reports
from cicscenario.sandbox.ussd.screens import Screens
from cicscenario.sandbox.ussd.tokens import Tokens
from cicscenario.sandbox.ussd.web import Gate, Server


@dataclass(frozen=True)
class Settings:
    """Where everything is, and how the phone interface behaves."""

    host: str
    port: int
    broker: str  #: URL of the Redis that it shares with the custodial engine
    database: Address
    chain: ChainSpec
    meta: str  #: URL of the metadata server
    signer: Signer
    tokens: Tokens
    dialect: str = CURRENT
    fallback: str = "sw"
    faults: Faults = field(default_factory=Faults)


class Service:
    """The running phone interface; ``start`` it, and ``stop`` it. Raises UnavailableError for what it needs and misses."""

    def __init__(self, settings: Settings) -> None:
        prepare(settings.database, settings.dialect)
        self._redis = Redis.from_url(settings.broker, decode_responses=True)
        self._stop = threading.Event()
        self._databases = [Database(settings.database), Database(settings.database)]
        self._menus = Menus(settings.dialect, settings.fallback)
        self._engine = CeleryEngine(settings.broker, settings.chain)
        self._remember(settings)
        self._meta = MetaClient(settings.meta, settings.signer)
        self._writer = MetadataWriter(self._meta, self._stop)
        self._preferences = PreferencesLink(self._meta, self._redis)
        reports = Reports(settings.dialect, self._databases[1], self._redis, settings.tokens, settings.faults)
        self._readers = [
            Reader(Inbox(self._redis, QUEUE), settings.faults.slow_callback, reports.handle, self._stop),
            Reader(Inbox(self._redis, METADATA_QUEUE), settings.faults.meta_delay, self._writer.handle, self._stop),
        ]
        gate = Gate(settings.dialect, self._menus, self._conversation(settings).answer, settings.faults.error_every)
        self._server = Server(settings.host, settings.port, gate)
        self._front = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="front", daemon=True)

    def _remember(self, settings: Settings) -> None:
        """Keeps in Redis what cic-ussd does from its start on."""
        chain = key(":cic.token.default", str(settings.chain).encode())
        token = json.dumps(settings.tokens.default().as_entry())
        try:
            self._redis.mset({chain: token, languages_key(): json.dumps(self._menus.listed_languages)})
        except (RedisError, KombuError) as error:
            raise UnavailableError(
                f"Redis at {settings.broker} does not answer: {error}", hint="is it running, and is --broker right?"
            ) from None

    def _conversation(self, settings: Settings) -> Conversation:
        cache = Cache(self._redis)
        pins = FernetPins() if settings.dialect == OLD else BcryptPins()
        machine = Machine(settings.dialect, self._menus, pins)
        screens = Screens(settings.dialect, self._menus, cache, settings.tokens, self._preferences)
        accounts = Accounts(self._databases[0])
        return Conversation(
            settings.dialect, self._menus, machine, screens, accounts, cache, self._engine, self._preferences
        )

    @property
    def port(self) -> int:
        """The port it listens on, which the system chose if 0 was asked for."""
        return int(self._server.server_address[1])

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way: reports, metadata, preferences."""
        return self._preferences.is_idle and all(reader.inbox.is_empty for reader in self._readers)

    def start(self) -> None:
        self._preferences.start()
        for reader in self._readers:
            reader.start()
        self._front.start()

    def stop(self) -> None:
        """Ends everything; what is under way stays in Redis for the next start."""
        self._stop.set()
        self._server.shutdown()
        self._front.join()
        self._server.server_close()
        for reader in self._readers:
            reader.join()
        self._writer.close()
        self._preferences.close()
        self._meta.close()
        self._engine.close()
        for database in self._databases:
            database.close()
        self._redis.close()
