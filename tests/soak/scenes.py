"""What is run: a scenario for each backend, its environment, and its people, made once in a process."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from cicscenario.language import Environment, load_environment
from cicscenario.people.generator import Generator
from cicscenario.people.person import Person
from cicscenario.people.population import Population
from cicscenario.plan.compile import Plan, narrowed_checks, steps_of
from cicscenario.vocabulary import load_scenario
from tests.soak.contracts import REGISTRY
from tests.soak.installed import product_modules
from tests.soak.kept import keccak

NETWORK = 8996
SPEC = f"evm:byzantium:{NETWORK}:bloxberg"
SEED = 7  #: of the people
SIGNER_KEY = b"\x11" * 32
_ENVIRONMENT = f"""
version: 1
name: simulated
chain:
  rpc: http://node.example
  spec: {SPEC}
  registry: "0x{REGISTRY.hex()}"
  signer: {{private_key: file:signer.key}}
  confirmations: CONFIRMATIONS
custodial: {{broker: redis://redis.example:6379/0}}
ussd: {{url: http://phone.example}}
accounts: {{host: database.example, database: cic_ussd, user: someone, password: file:signer.key}}
meta: {{url: http://meta.example, key: file:signer.key}}
"""
_PAID = "gift: {threshold: 200}\n"
_ROWS = "pins: {scheme: bcrypt, cost: 4}\nussd_data: true\n"
#: What is run: together they have every step and every check. A scene is named by its backend, and what it is for.
SCENES = {
    "eth": _PAID + "backend: {kind: eth, keystore: {kdf: light}}\n",
    "cic_eth": _PAID + "backend: {kind: cic_eth, patience: 60}\n",
    "cic_ussd": _PAID + "backend: {kind: cic_ussd, patience: 60}\nmetadata: [person, phone, preferences, custom]\n",
    "cic_ussd_pins": _PAID + "backend: {kind: cic_ussd, patience: 60}\n" + _ROWS,
    "eth_traffic": _PAID + "backend: {kind: eth, keystore: {kdf: light}}\ntraffic: {payments: 60, overdrafts: 10%}\n",
    "cic_eth_traffic": _PAID + "backend: {kind: cic_eth, patience: 60}\ntraffic: {payments: 60, overdrafts: 10%}\n",
    "cic_ussd_traffic": _PAID
    + "backend: {kind: cic_ussd, patience: 60}\n"
    + _ROWS
    + "traffic: {payments: 20, overdrafts: 10%}\nchecks: {exclude: [statement]}\n",
    "existing": "gift: {method: none}\nbackend: existing\nmetadata: [phone]\n" + _ROWS,
}


_WHO = {"existing": "from: ., seed: 7"}  # they are there already; their accounts are made here
_LARGEST = 50


@dataclass(frozen=True)
class Scene:
    """A compiled scenario and where its services are."""

    plan: Plan
    environment: Environment
    path: Path


class _Kept:
    """A population whose people are made once. With ``have_accounts`` they have accounts already."""

    def __init__(self, population: Population, *, have_accounts: bool) -> None:
        self.person: Callable[[int], Person] = cache(population.person)
        self.gift: Callable[[int], int] = cache(population.gift)
        self._have_accounts = have_accounts

    def account(self, index: int) -> bytes | None:
        return keccak(b"existing account %d" % index)[12:] if self._have_accounts else None


@cache
def scene(name: str, size: int, confirmations: int = 0, seed: int = SEED) -> Scene:
    """The scene of a name with so many people."""
    plan, path = _largest(name, seed)
    scenario = replace(plan.scenario, population=replace(plan.scenario.population, size=size))
    return Scene(replace(plan, scenario=scenario, size=size), _environment(confirmations), path)


def prepare() -> None:
    """Makes the scenes and their people, and loads the product, before processes are begun that share them."""
    product_modules()
    for name in SCENES:
        made = scene(name, _LARGEST)
        for index in range(_LARGEST):
            made.plan.population.person(index)


@cache
def _largest(name: str, seed: int) -> tuple[Plan, Path]:
    """The scene's plan for the most people, which those for fewer are made from, and the file of its scenario."""
    path = _folder() / f"{name}-{seed}.yaml"
    people = _WHO.get(name, f"seed: {seed}, languages: {{en: 1, sw: 1}}")
    path.write_text(
        f"version: 1\nname: simulated\npopulation: {{size: {_LARGEST}, {people}}}\n"
        f"{SCENES[name]}environment: environment-0.yaml\n"
    )
    _environment(0)
    scenario = load_scenario(path)
    population: Any = _population(seed, have_accounts=not scenario.backend.traits.makes_accounts)
    return Plan(scenario, steps_of(scenario), narrowed_checks(scenario), population, _LARGEST), path


@cache
def _population(seed: int, *, have_accounts: bool) -> _Kept:
    """The same people in every scene: who they are does not depend on what is run."""
    languages = (("en", 1), ("sw", 1))
    made = Generator(
        seed=seed, locales=["en_US"], region="KE", languages=languages, tags=["individual"], gift_threshold=200
    )
    return _Kept(made, have_accounts=have_accounts)


@cache
def _environment(confirmations: int) -> Environment:
    (_folder() / "signer.key").write_text(SIGNER_KEY.hex())
    (_folder() / "signer.key").chmod(0o600)
    path = _folder() / f"environment-{confirmations}.yaml"
    path.write_text(_ENVIRONMENT.replace("CONFIRMATIONS", str(confirmations)))
    return load_environment(path)


@cache
def _folder() -> Path:
    keep = tempfile.TemporaryDirectory(prefix="simulation")
    _open.append(keep)
    return Path(keep.name)


_open: list[Any] = []  #: deleted with the process
