"""What the menus' conditions, actions and screens work with."""

from dataclasses import dataclass
from typing import Any, Protocol

from cicscenario.sandbox.ussd.accounts import AccountBook
from cicscenario.sandbox.ussd.cache import Cache
from cicscenario.sandbox.ussd.engine import EngineClient
from cicscenario.sandbox.ussd.menus import Menus
from cicscenario.sandbox.ussd.pins import PinScheme
from cicscenario.sandbox.ussd.profiles import Profiles
from cicscenario.sandbox.ussd.wallet import Wallet


class Metadata(Protocol):
    """The part of the metadata server that a conversation uses; addresses have 20 bytes."""

    def refresh(self, address: bytes) -> None:
        """Copies an account's preferences and person document into the cache, in the background."""

    def refresh_person(self, address: bytes) -> None:
        """Copies an account's person document into the cache, in the background."""

    def refresh_now(self, address: bytes) -> None:
        """Copies an account's preferences into the cache now; gives up when the server does not answer soon."""

    def write(self, pointer: bytes, value: Any) -> None:
        """Writes an entry, in the background."""


@dataclass(frozen=True)
class Parts:
    """The parts of one phone interface."""

    menus: Menus
    pins: PinScheme
    accounts: AccountBook
    cache: Cache
    wallet: Wallet
    profiles: Profiles
    engine: EngineClient
    metadata: Metadata


class WithParts:
    """The base of what works with them."""

    def __init__(self, parts: Parts) -> None:
        self._menus = parts.menus
        self._pins = parts.pins
        self._accounts = parts.accounts
        self._cache = parts.cache
        self._wallet = parts.wallet
        self._profiles = parts.profiles
        self._engine = parts.engine
        self._metadata = parts.metadata
