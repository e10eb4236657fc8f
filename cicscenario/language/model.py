"""A scenario and an environment as the rest of the program sees them: whole, typed, frozen."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from cicscenario.chainspec import ChainSpec
from cicscenario.language.secret import Secret


@dataclass(frozen=True)
class Population:
    """``population``."""

    size: int
    seed: int
    locales: tuple[str, ...]
    region: str
    languages: tuple[tuple[str, int], ...]  #: with their weights
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Gift:
    """``gift``; ``threshold`` in whole tokens."""

    threshold: int
    method: Literal["transfer", "mint", "none"]
    token: str | None


@dataclass(frozen=True)
class Keystore:
    """``backend.keystore``."""

    kdf: Literal["standard", "light", "none"]
    password: Secret | None


@dataclass(frozen=True)
class Eth:
    """``backend`` of kind ``eth``."""

    kind: Literal["eth"]
    keystore: Keystore


@dataclass(frozen=True)
class Checks:
    """``checks``; ``balance_adjust`` as a share, so that "-2%" is -0.02."""

    include: tuple[str, ...] | None
    exclude: tuple[str, ...]
    balance_adjust: Decimal | None


@dataclass(frozen=True)
class Scenario:
    """A scenario file, with all that it extends and every default filled in. ``gas`` in wei."""

    version: int
    name: str
    description: str
    population: Population
    gift: Gift
    faucet: bool
    gas: int
    backend: Eth
    checks: Checks
    environment: str | None  #: ``sandbox``, or the absolute path of an environment file
    path: Path
    document: dict[str, Any]  #: the same as plain data

    def canonical(self) -> dict[str, Any]:
        """The effective document as plain data: what tells two scenarios apart. Holds references to secrets only."""
        return self.document


@dataclass(frozen=True)
class Signer:
    """``chain.signer``: either a private key, or a V3 keystore file and its password."""

    private_key: Secret | None
    keyfile: Path | None
    password: Secret | None


@dataclass(frozen=True)
class ChainEnvironment:
    """``chain`` of an environment; ``gas_price`` in wei, ``timeout`` in seconds."""

    rpc: str
    spec: ChainSpec
    registry: str
    signer: Signer
    gas_price: int | None
    batch: int
    timeout: float
    confirmations: int
    window: float


@dataclass(frozen=True)
class Environment:
    """An environment file."""

    version: int
    name: str
    chain: ChainEnvironment
    path: Path
