"""Compares what the engine says of itself with what the chain of the environment has."""

from collections.abc import Mapping
from dataclasses import dataclass

from cicscenario.services.custodial.client import EngineSurvey, EngineToken
from cicscenario.services.custodial.tasks import GIFTER_ROLE
from cicscenario.wording import agreeing, counted

Mismatch = tuple[str, str]  #: message and hint


@dataclass(frozen=True)
class ChainFacts:
    """What the chain has: the ``node``'s name, addresses of 20 bytes, and the ``balances`` in wei of the engine's roles.

    ``gift_token`` is the token that people are given; ``default_token`` is the registry's, or None if it has none.
    """

    node: str
    registry: bytes
    gift_token: bytes
    gift_symbol: str
    default_token: bytes | None
    balances: Mapping[str, int]


def mismatches(engine: EngineSurvey, chain: ChainFacts) -> list[Mismatch]:
    """Everything that would let a run fail, each with both addresses. What the engine does not say is no mismatch."""
    found = []
    if engine.registry is not None and engine.registry != chain.registry:
        theirs, ours = _hex(engine.registry), _hex(chain.registry)
        what = f"it works with the contract registry {theirs}, but `chain.registry` is {ours}"
        hint = f"set `chain.registry` to the engine's, or start the engine with CIC_REGISTRY_ADDRESS={ours}"
        found.append((what, hint))
    if engine.token and (expected := _other_token(engine.token, chain)):
        theirs, ours = _hex(engine.token.address), _hex(expected)
        what = f"its default token {engine.token.symbol} is {theirs}, but on {chain.node} it is {ours}"
        hint = (
            "does the engine work on this chain, with the right CIC_DEFAULT_TOKEN_SYMBOL? it reads both when it starts"
        )
        found.append((what, hint))
    if chain.balances.get(GIFTER_ROLE) == 0:
        gifter = _hex(engine.roles[GIFTER_ROLE])
        what = f"its {GIFTER_ROLE} {gifter} has no native currency on {chain.node}, so it can give nobody gas"
        hint = f"send native currency to {gifter}; an engine that finds it empty shuts itself down"
        found.append((what, hint))
    return found


def _other_token(token: EngineToken, chain: ChainFacts) -> bytes | None:
    """The address that the engine's default token should have; None when it is right."""
    if token.symbol == chain.gift_symbol or chain.default_token is None:
        return None if token.address == chain.gift_token else chain.gift_token
    return None if token.address in (chain.gift_token, chain.default_token) else chain.default_token


def described(engine: EngineSurvey, balances: Mapping[str, int]) -> str:
    """The engine's state in one line, with what is not known of it."""
    known = [f"{counted(engine.waiting, 'task')} {agreeing(engine.waiting, 'wait')}"]
    if engine.workers is not None:
        known.insert(0, counted(engine.workers, "worker"))
    known += [
        f"{role} {_hex(address)}" + (f" has {balances[role]:,} wei" if role in balances else "")
        for role, address in engine.roles.items()
    ]
    unknown = [
        name
        for name, value in (
            ("its default token", engine.token),
            ("its registry", engine.registry),
            ("the number of its workers", engine.workers),
        )
        if value is None
    ]
    return ", ".join(known) + (f"; not known: {', '.join(unknown)}" if unknown else "")


def _hex(address: bytes) -> str:
    return f"0x{address.hex()}"
