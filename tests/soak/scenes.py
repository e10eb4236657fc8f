"""What is run: a scenario for each backend, its environment, and its people, made once in a process."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from cicscenario.language import Environment, load_environment
from cicscenario.people.person import Person
from cicscenario.people.population import Population
from cicscenario.plan.compile import Plan, compile_plan
from cicscenario.vocabulary import load_scenario
from tests.soak.contracts import REGISTRY

NETWORK = 8996
SPEC = f"evm:byzantium:{NETWORK}:bloxberg"
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
_BACKENDS = {
    "eth": "backend: {kind: eth, keystore: {kdf: none}}",
    "cic_eth": "backend: {kind: cic_eth, patience: 60}",
    "cic_ussd": "backend: {kind: cic_ussd, patience: 60}\nmetadata: [person, phone, preferences, custom]",
}


@dataclass(frozen=True)
class Scene:
    """A compiled scenario and where its services are."""

    plan: Plan
    environment: Environment
    path: Path


class _Kept:
    """A population whose people are made once."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self.person: Callable[[int], Person] = cache(population.person)
        self.gift: Callable[[int], int] = cache(population.gift)
        self.account: Callable[[int], bytes | None] = cache(population.account)


@cache
def scene(backend: str, size: int, confirmations: int = 0, seed: int = 7) -> Scene:
    """The scene of a backend with so many people."""
    folder = _folder()
    (folder / "signer.key").write_text(SIGNER_KEY.hex())
    (folder / "signer.key").chmod(0o600)
    where = folder / f"environment-{confirmations}.yaml"
    where.write_text(_ENVIRONMENT.replace("CONFIRMATIONS", str(confirmations)))
    path = folder / f"{backend}-{size}-{seed}.yaml"
    path.write_text(
        f"version: 1\nname: simulated\ngift: {{threshold: 200}}\n"
        f"population: {{size: {size}, seed: {seed}, languages: {{en: 1, sw: 1}}}}\n"
        f"{_BACKENDS[backend]}\nenvironment: {where.name}\n"
    )
    plan = compile_plan(load_scenario(path))
    kept: Any = _Kept(plan.population)
    return Scene(replace(plan, population=kept), load_environment(where), path)


@cache
def _folder() -> Path:
    keep = tempfile.TemporaryDirectory(prefix="simulation")
    _open.append(keep)
    return Path(keep.name)


_open: list[Any] = []  #: deleted with the process
