"""Whose state it is: a run goes on only with the scenario and on the chain that it began with."""

import hashlib
import json
import uuid
from typing import Any

from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession
from cicscenario.connections import Connections
from cicscenario.errors import StateRefusedError
from cicscenario.language import Scenario
from cicscenario.language.dotted import flatten
from cicscenario.state.store import Store

#: What may differ: how a scenario is described, where it runs (the chain itself is compared), and what is checked.
_FREE = ("description", "environment", "checks", "population.size", "backend.patience")
#: What may be added to a run, and never taken back: it is done for everybody who is there already.
_GROWS = ("metadata", "pins", "ussd_data")


def compare(store: Store, scenario: Scenario, services: Connections | None, *, on_chain: bool) -> None:
    """Makes sure that a state is this scenario's, or nobody's yet; changes nothing.

    A scenario that only grew goes on: more people, more kinds of metadata, PINs or USSD data. ``on_chain`` says whether
    the chain has any part in it; without ``services`` only the scenario is compared. Raises StateRefusedError naming what
    differs.
    """
    if held := store.meta():
        _same(store, held, scenario.canonical(), _place(services, on_chain=on_chain) if services else {})


def claim(store: Store, scenario: Scenario, services: Connections, *, on_chain: bool) -> str:
    """Makes a state this scenario's, once it is sure that the run begins; gives the state's lineage.

    What checks had found counts no more when they are asked for in another way.
    """
    compare(store, scenario, services, on_chain=on_chain)
    held = store.meta()
    if not checks_as_before(store, scenario):
        store.forget_checks()
    text = json.dumps(scenario.canonical(), sort_keys=True)
    current = {"scenario": text, "digest": hashlib.sha256(text.encode()).hexdigest()}
    current |= _place(services, on_chain=on_chain)
    begun = {"lineage": uuid.uuid4().hex, "since": str(_time(services) if on_chain else 0)} if not held else {}
    store.set_meta(current | begun)
    return (held | begun)["lineage"]


def checks_as_before(store: Store, scenario: Scenario) -> bool:
    """Whether the scenario asks for checks as it did when the state was last claimed."""
    held = store.meta().get("scenario")
    return held is not None and json.loads(held).get("checks") == scenario.canonical().get("checks")


def _place(services: Connections, *, on_chain: bool) -> dict[str, str]:
    return _chain(services.chain) if on_chain else _spec(services)


def _chain(session: ChainSession) -> dict[str, str]:
    return {
        "chain_id": str(session.chain_id),
        "genesis": session.genesis,
        "registry": to_hex(session.contracts.registry),
        "spec": str(session.environment.spec),
        "token": to_hex(session.contracts.token.address),
        "decimals": str(session.contracts.token.decimals),
        "signer": to_hex(session.signer.address),
    }


def _spec(services: Connections) -> dict[str, str]:
    spec = services.environment.chain_spec
    return {"spec": str(spec)} if spec else {}


def _time(services: Connections) -> int:
    """The chain's own, in Unix seconds: decay is reckoned by it."""
    return int(services.chain.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def _same(store: Store, held: dict[str, str], document: dict[str, Any], place: dict[str, str]) -> None:
    differences = _scenario_differences(json.loads(held["scenario"]), document)
    differences += [
        f"{key}: {held[key]} in the state, {value} now"
        for key, value in place.items()
        if key in held and held[key] != value
    ]
    if differences:
        raise StateRefusedError(
            f"{store.path} is not of this scenario and chain:\n  " + "\n  ".join(differences),
            hint="this state goes on with the scenario and the chain that began it; a run in another --dir is a run of its own,"
            " and makes and pays all its people anew",
        )


def _scenario_differences(held: dict[str, Any], document: dict[str, Any]) -> list[str]:
    before, now = flatten(held), flatten(document)
    differences = [
        f"{key}: {before.get(key)!r} in the state, {now.get(key)!r} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not key.startswith(_FREE) and not _grew(key, before, now)
    ]
    sizes = [document.get("population.size") for document in (before, now)]
    if sizes[0] is not None and sizes[1] is not None and sizes[1] < sizes[0]:
        differences.append(f"population.size: {sizes[0]} in the state, {sizes[1]} now; people cannot be unmade")
    return differences


def _grew(key: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the change only asks for more: a kind of metadata, PINs where there were none, USSD data."""
    if not key.startswith(_GROWS):
        return False
    if key.startswith("pins"):
        return not any(name.startswith("pins") for name in before)
    if isinstance(now.get(key), list):
        return set(before.get(key) or ()) <= set(now[key])
    return before.get(key) in (None, False) and now.get(key) is not None
