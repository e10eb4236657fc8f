"""The models of scenarios and environments: validated, with all defaults, and frozen.

The fields have the meaning of the keys in the JSON schemas, which also hold the defaults.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from pathlib import Path
from typing import Any, Literal

from cicscenario.chainspec import ChainSpec
from cicscenario.language.combination import Combination
from cicscenario.language.secret import Secret
from cicscenario.profile import Profile


@dataclass(frozen=True)
class PopulationOptions:
    """The people: their number, and the parameters of the generator."""

    size: int | None  #: None for all people of ``source``
    source: Path | None  #: `from`: the folder or table of existing people; None to generate people
    #: headings of the table ``source`` by field; None: those with the names of fields
    columns: Mapping[str, str] | None
    seed: int
    profile: Profile | None  #: None for people without one
    locales: tuple[str, ...]  #: Faker locales; empty for those of the profile or the region
    region: str  #: ISO 3166 alpha-2 code of the phone numbers' country
    languages: tuple[tuple[str, int], ...]  #: language codes and weights, by code; empty for those of the profile
    gender: tuple[tuple[str, int], ...]  #: genders and weights, by name; empty for those of the profile
    tags: tuple[str, ...]
    on_bad_row: Literal["stop", "skip"]  #: what is done about people of ``source`` who cannot be used

    @property
    def spoken(self) -> set[str]:
        """The codes of all languages that people may prefer."""
        return {code for code, _ in self.languages} or (self.profile.spoken() if self.profile else set())


@dataclass(frozen=True)
class GiftOptions:
    """The opening balance: 0 to ``threshold`` whole tokens."""

    threshold: int
    method: Literal["transfer", "mint", "none"]
    token: str | None  #: symbol; None for the registry's default token


class KeyHolder(Enum):
    """The holder of the private keys of people's accounts."""

    RUN = auto()  #: the run makes the keys; its signer registers the accounts and gives gas and tokens
    ENGINE = auto()  #: the custodial engine makes the accounts, registers them, gives gas and triggers the faucet
    OTHERS = auto()  #: the accounts exist already; the run makes none and sends no transactions


@dataclass(frozen=True)
class BackendTraits:
    """The properties of a backend that the language, checks and plan use. They must not compare the backend's name.

    ``options`` are the keys of ``backend`` for this kind, each with its JSON schema. ``languages`` are the language codes
    that its people can have; None for any. ``no_payments`` is the reason why its people cannot pay each other, which follows
    "which"; empty when they can.
    """

    kind: str
    summary: str  #: what it does, for the reference page and ``explain``; follows "`kind`: "
    keys: KeyHolder
    joins_by_phone: bool = False  #: people join through the phone interface, which also writes some metadata entries
    has_phone_accounts: bool = False  #: its people can have rows in the phone interface's account table
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    no_payments: str = "makes no payments"

    @property
    def custodial(self) -> bool:
        """Whether the custodial engine holds the keys."""
        return self.keys is KeyHolder.ENGINE

    @property
    def sovereign(self) -> bool:
        """Whether the run holds the keys, and its signer pays all costs."""
        return self.keys is KeyHolder.RUN

    @property
    def makes_accounts(self) -> bool:
        """Whether accounts are created (and so registered, given gas and paid)."""
        return self.keys is not KeyHolder.OTHERS


@dataclass(frozen=True)
class BackendOptions:
    """The scenario's backend and its options."""

    traits: BackendTraits
    values: Mapping[str, Any] = field(repr=False)  #: as in the file, with all defaults; secrets are `Secret` objects

    def option(self, key: str) -> Any:
        """The value of an option by its dotted key, such as ``keystore.kdf``; None if the backend does not have it."""
        value: Any = {name: self.values.get(name) for name in self.traits.options}
        for name in key.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True)
class PinOptions:
    """The PINs for the phone interface."""

    scheme: Literal["bcrypt", "fernet"]
    cost: int | None  #: the cost of bcrypt; None for the servers' default
    fixed: tuple[str, ...] | None  #: None for PINs from the table of people, or from the seed
    source: Path | None = None  #: `from`: the list of hashes; None to make them from PINs

    @property
    def of_people(self) -> bool:
        """Whether people have the PINs that their table has, if it has any."""
        return self.fixed is None and self.source is None


@dataclass(frozen=True)
class TrafficOptions:
    """Payments between people, once all have arrived."""

    payments: int | None  #: how many; None when ``per_person``, or ``duration`` and ``rate``, say it
    per_person: Decimal | None
    duration: Decimal | None  #: seconds
    rate: float | None  #: payments a second; None for as fast as it goes
    profile: Profile | None  #: that says who pays whom how much; None for payments that are like nobody's
    span: int  #: days
    overdrafts: Decimal  #: as a share: 0.01 for "1%"

    def among(self, size: int) -> int:
        """The number of payments among ``size`` people, rounded down, and at least 1."""
        if self.payments is not None:
            return self.payments
        wanted = (
            self.per_person * size if self.per_person is not None else (self.duration or 0) * Decimal(str(self.rate))
        )
        return max(1, int(wanted))


@dataclass(frozen=True)
class CheckOptions:
    """The selection of checks."""

    include: tuple[str, ...] | None  #: None for all that apply to the scenario
    exclude: tuple[str, ...]
    balance_adjust: Decimal | None  #: as a share: -0.02 for "-2%"
    read_again: bool = False  #: whether a run asks again about what it has read back after writing


@dataclass(frozen=True)
class StepOptions:
    """The options of one step."""

    deadline: float  #: seconds from when it begins to work in a run


@dataclass(frozen=True)
class Scenario:
    """One scenario, after merging extended files and overrides, and expanding variables."""

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
    ussd_data: bool  #: whether status and language are written to the account table
    traffic: TrafficOptions | None
    checks: CheckOptions
    environment: str | None  #: ``sandbox`` or an absolute path
    path: Path
    document: dict[str, Any] = field(repr=False)  #: see `canonical`
    steps: Mapping[str, StepOptions] = field(default_factory=dict)  #: by name; steps without options are left out
    combination: Combination | None = None  #: of the file's matrix, whose values are in the other fields already

    @property
    def title(self) -> str:
        """What people call its run: its name, and the combination if there is one."""
        return f"{self.name}/{self.combination.label}" if self.combination else self.name

    @property
    def deadlines(self) -> dict[str, float]:
        """Seconds for steps, by name."""
        return {name: options.deadline for name, options in self.steps.items()}

    @property
    def chooses_language(self) -> bool:
        """Whether people choose their language by phone. False when ``ussd_data`` writes the language to the table.

        The interface of 2021 asks for it at a second dial, whose session a later dial would resume.
        """
        by_phone = self.backend.traits.joins_by_phone
        return by_phone and (self.backend.option("dialect") != "2021" or not self.ussd_data)

    def canonical(self) -> dict[str, Any]:
        """The effective document as plain data: all defaults, sorted keys, absolute paths, secrets as references.

        Written as YAML, it is an equivalent scenario.
        """
        return deepcopy(self.document)


@dataclass(frozen=True)
class Limits:
    """What one service may be sent. None for ``rate``: any number; for ``concurrency``: as many as the service bears."""

    rate: float | None  #: requests a second
    burst: int | None  #: requests that may be sent at once after a quiet time; None: those of a second
    concurrency: int | None  #: requests that may be under way at a time
    retries: int | None  #: how often a request without an answer is sent again; None: as each client does by itself


@dataclass(frozen=True)
class SignerEnvironment:
    """The signer's key: either ``private_key`` (hexadecimal), or a V3 keystore file and its password."""

    private_key: Secret | None
    keyfile: Path | None
    password: Secret | None


@dataclass(frozen=True)
class ChainEnvironment:
    """The chain: the nodes' addresses, the contract registry, the signer, and limits for requests."""

    rpc: tuple[str, ...]  #: addresses of nodes; one or more
    spec: ChainSpec
    registry: str  #: address, ``0x`` and 40 hexadecimal digits
    signer: SignerEnvironment
    gas_price: int | None  #: wei; None to ask the node
    max_gas_price: int | None  #: wei; up to this price, transactions that wait are replaced; None: none are
    batch: int  #: JSON-RPC calls in one HTTP request, at most
    timeout: float  #: seconds for one request
    confirmations: int  #: blocks that must follow a transaction's block
    #: gas of unconfirmed transactions, as a share of the block gas limit; None: see ``chain.survey``
    window: float | None
    copy: str | None  #: which of several copies of one chain; None where there is one
    limits: Limits


@dataclass(frozen=True)
class CustodialEnvironment:
    """The custodial engine's queue in Redis."""

    broker: str  #: see ``redisaddress.FORMS``
    user: str | None
    password: Secret | None
    queue: str
    callback: str | None  #: host:port:db of the same Redis as the worker reaches it; None for that of the broker
    in_flight: int  #: maximum number of accounts requested at a time
    visibility_timeout: float  #: seconds for which Redis keeps a fetched task for its worker
    timeout: float  #: seconds for one command of Redis
    limits: Limits


@dataclass(frozen=True)
class UssdEnvironment:
    """The phone interface."""

    url: str
    service_code: str
    user: str | None  #: the user of a reverse proxy, with ``password``
    password: Secret | None
    timeout: float  #: seconds for one request
    limits: Limits


@dataclass(frozen=True)
class AccountsEnvironment:
    """The phone interface's account database, in PostgreSQL."""

    host: str | None  #: a host, or the folder of a Unix socket; None for what ``service`` says, as for the next ones
    port: int | None
    database: str | None
    user: str | None
    password: Secret | None
    service: str | None  #: name of a service in ``servicefile``
    servicefile: Path | None  #: None for that of the home folder
    sslmode: str | None
    require_auth: str | None  #: None for ``scram-sha-256`` when there is a password
    sslrootcert: Path | None  #: None for the ``ca`` of the environment
    sslcert: Path | None
    sslkey: Path | None
    pepper: Secret | None  #: for PINs of the scheme ``fernet``
    timeout: int  #: seconds for one statement
    limits: Limits


@dataclass(frozen=True)
class MetaEnvironment:
    """The metadata store and the key that entries are signed with."""

    url: str
    key: Secret
    passphrase: Secret | None
    write: Literal["one-step", "two-step"]
    timeout: float  #: seconds for one request
    limits: Limits


@dataclass(frozen=True)
class WorkersEnvironment:
    """The Redis over which workers take tasks of runs, and the secret that they and the runs share."""

    broker: str  #: see ``redisaddress.FORMS``
    user: str | None
    password: Secret | None
    secret: Secret
    patience: float  #: seconds without any answer of a worker, after which a run gives up
    timeout: float  #: seconds for one command of Redis


@dataclass(frozen=True)
class Environment:
    """The services of a stack. None for a service that it does not have."""

    version: int
    name: str
    spec: ChainSpec | None  #: for identities, where there is no ``chain``
    public_network: int | None  #: chain id of the public network that may be used
    ca: Path | None  #: PEM file of authorities to trust beside the public ones
    chain: ChainEnvironment | None
    custodial: CustodialEnvironment | None
    ussd: UssdEnvironment | None
    accounts: AccountsEnvironment | None
    meta: MetaEnvironment | None
    workers: WorkersEnvironment | None
    path: Path
    faults: tuple[str, ...] = ()  #: that are on in a sandbox, as ``SERVICE.NAME[=VALUE]``; not from the file
    pace: str | None = None  #: of a sandbox's services: fast or real; not from the file

    @property
    def chain_spec(self) -> ChainSpec | None:
        return self.chain.spec if self.chain else self.spec
