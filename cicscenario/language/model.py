"""Scenarios and environments as the rest of the program sees them: checked, complete and frozen.

The fields are those of the JSON schemas, which also hold every default.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from pathlib import Path
from typing import Any, Literal

from cicscenario.chainspec import ChainSpec
from cicscenario.language.secret import Secret


@dataclass(frozen=True)
class PopulationOptions:
    """The people: how many, and what they are drawn from."""

    size: int | None  #: None for everybody in ``source``
    source: Path | None  #: `from`: where the people are already; None to make them
    seed: int
    locales: tuple[str, ...]  #: Faker locales
    region: str  #: ISO 3166 alpha-2 code of the phone numbers' country
    languages: tuple[tuple[str, int], ...]  #: language codes and weights, by code
    tags: tuple[str, ...]


@dataclass(frozen=True)
class GiftOptions:
    """The opening balance: 0 to ``threshold`` whole tokens."""

    threshold: int
    method: Literal["transfer", "mint", "none"]
    token: str | None  #: symbol; None for the registry's default token


class KeyHolder(Enum):
    """Who holds the private keys of people's accounts."""

    RUN = auto()  #: the run makes the keys, and its signer registers the accounts and gives them gas and tokens
    ENGINE = auto()  #: the custodial engine makes the accounts, registers them, gives gas and triggers the faucet
    OTHERS = auto()  #: the accounts exist already; the run makes none and sends nothing


@dataclass(frozen=True)
class BackendTraits:
    """What the language, the checks and the plan need to know of a backend; ask for these, never for its name.

    ``options`` are the keys that ``backend`` takes with this kind, each with its JSON schema. ``languages`` are the codes
    that its people can have, None for any.
    """

    kind: str
    summary: str  #: what it does, for the reference page and ``explain``: words that follow "`kind`: "
    keys: KeyHolder
    joins_by_phone: bool = False  #: people join by the phone interface, which then writes metadata entries of its own
    has_phone_accounts: bool = False  #: its people can be in the phone interface's account table
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def custodial(self) -> bool:
        """Whether the custodial engine holds the keys."""
        return self.keys is KeyHolder.ENGINE

    @property
    def sovereign(self) -> bool:
        """Whether the run holds the keys, and its signer pays for everything."""
        return self.keys is KeyHolder.RUN

    @property
    def makes_accounts(self) -> bool:
        """Whether accounts are made at all, and so registered, given gas and paid."""
        return self.keys is not KeyHolder.OTHERS


@dataclass(frozen=True)
class BackendOptions:
    """How accounts come to be: the backend that the scenario names, and what it says of its options."""

    traits: BackendTraits
    values: Mapping[str, Any] = field(repr=False)  #: as in the file, with every default; secrets are `Secret`

    def option(self, key: str) -> Any:
        """The value of an option by its dotted key, such as ``keystore.kdf``; None where the backend has no such option."""
        value: Any = {name: self.values.get(name) for name in self.traits.options}
        for name in key.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True)
class PinOptions:
    """The PINs for the phone interface."""

    scheme: Literal["bcrypt", "fernet"]
    cost: int | None  #: of bcrypt; None for what the servers have
    fixed: tuple[str, ...] | None  #: None for PINs from the seed


@dataclass(frozen=True)
class CheckOptions:
    """Which checks to make."""

    include: tuple[str, ...] | None  #: None for all that fit the scenario
    exclude: tuple[str, ...]
    balance_adjust: Decimal | None  #: as a share: -0.02 for "-2%"


@dataclass(frozen=True)
class Scenario:
    """One scenario, with everything it extends, its variables and the command line's overrides worked in."""

    version: int
    name: str
    description: str
    population: PopulationOptions
    gift: GiftOptions
    faucet: bool
    gas: int  #: wei for each person
    backend: BackendOptions
    metadata: tuple[str, ...]  #: names of metadata kinds
    pins: PinOptions | None
    ussd_data: bool  #: whether status and language are written into the account table
    checks: CheckOptions
    environment: str | None  #: ``sandbox`` or an absolute path
    path: Path
    document: dict[str, Any] = field(repr=False)  #: what `canonical` gives a copy of

    @property
    def chooses_language(self) -> bool:
        """Whether people choose their language by phone. The interface of 2021 asks at a second dial, which would leave a
        session for later ones to resume; where the account table is given the language anyway, nobody makes it.
        """
        by_phone = self.backend.traits.joins_by_phone
        return by_phone and (self.backend.option("dialect") != "2021" or not self.ussd_data)

    def canonical(self) -> dict[str, Any]:
        """The effective document as plain data: with every default, sorted, paths absolute, secrets as references.

        Written as YAML, it is a scenario that means the same.
        """
        return deepcopy(self.document)


@dataclass(frozen=True)
class SignerEnvironment:
    """The key that registers and pays: either ``private_key`` (hexadecimal), or a V3 keystore file and its password."""

    private_key: Secret | None
    keyfile: Path | None
    password: Secret | None


@dataclass(frozen=True)
class ChainEnvironment:
    """The chain: a node, the contracts on it, and how to talk to it."""

    rpc: str
    spec: ChainSpec
    registry: str  #: address, ``0x`` and 40 hexadecimal digits
    signer: SignerEnvironment
    gas_price: int | None  #: wei; None to ask the node
    batch: int  #: JSON-RPC calls in one HTTP request
    timeout: float  #: seconds for one request
    confirmations: int  #: blocks on top of a transaction's
    window: float  #: gas in flight, as a share of the block gas limit


@dataclass(frozen=True)
class CustodialEnvironment:
    """The custodial engine's queue in Redis."""

    broker: str  #: redis://host:port/db
    password: Secret | None
    queue: str
    callback: str | None  #: host:port:db of the same Redis as the worker sees it; None for the broker's own
    in_flight: int  #: accounts asked for at a time


@dataclass(frozen=True)
class UssdEnvironment:
    """The phone interface."""

    url: str
    service_code: str
    user: str | None  #: of a reverse proxy, with ``password``
    password: Secret | None
    timeout: float  #: seconds for one request


@dataclass(frozen=True)
class AccountsEnvironment:
    """The phone interface's account database, in PostgreSQL."""

    host: str
    port: int
    database: str
    user: str
    password: Secret | None
    pepper: Secret | None  #: for PINs of the scheme ``fernet``


@dataclass(frozen=True)
class MetaEnvironment:
    """The metadata store and the key that entries are signed with."""

    url: str
    key: Secret
    passphrase: Secret | None
    write: Literal["one-step", "two-step"]
    timeout: float  #: seconds for one request


@dataclass(frozen=True)
class Environment:
    """Where scenarios run. A part that is None is not there."""

    version: int
    name: str
    spec: ChainSpec | None  #: for identities, where there is no ``chain``
    chain: ChainEnvironment | None
    custodial: CustodialEnvironment | None
    ussd: UssdEnvironment | None
    accounts: AccountsEnvironment | None
    meta: MetaEnvironment | None
    path: Path

    @property
    def chain_spec(self) -> ChainSpec | None:
        return self.chain.spec if self.chain else self.spec
