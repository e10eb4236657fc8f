"""Whose state it is: a run goes on only with the scenario and on the chain that it began with."""

import hashlib
import json
import uuid
from typing import Any

from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession
from cicscenario.errors import StateRefusedError
from cicscenario.language import Scenario
from cicscenario.state.store import Store

#: What may differ: how a scenario is described, where it runs (the chain itself is compared), and what is checked.
_FREE = ("description", "environment", "checks", "population.size")


def claim(store: Store, scenario: Scenario, session: ChainSession, since: int) -> None:
    """Makes a new state this scenario's, or makes sure that it is; a larger ``population.size`` is growth and goes on.

    ``since`` is the chain's time (Unix seconds), kept from the first run. Raises StateRefusedError naming what differs.
    """
    document = scenario.canonical()
    held = store.meta()
    chain = {
        "chain_id": str(session.chain_id),
        "genesis": session.genesis,
        "registry": to_hex(session.contracts.registry),
        "spec": str(session.environment.spec),
        "token": to_hex(session.contracts.token.address),
        "decimals": str(session.contracts.token.decimals),
        "signer": to_hex(session.signer.address),
    }
    if held:
        _same(store, held, document, chain)
    text = json.dumps(document, sort_keys=True)
    current = {"scenario": text, "digest": hashlib.sha256(text.encode()).hexdigest(), **chain}
    begun = {"lineage": str(uuid.uuid4()), "since": str(since)} if not held else {}
    store.set_meta(current | begun)


def _same(store: Store, held: dict[str, str], document: dict[str, Any], chain: dict[str, str]) -> None:
    differences = _scenario_differences(json.loads(held["scenario"]), document)
    differences += [
        f"{key}: {held[key]} in the state, {value} now" for key, value in chain.items() if held[key] != value
    ]
    if differences:
        raise StateRefusedError(
            f"{store.path} is not of this scenario and chain:\n  " + "\n  ".join(differences),
            hint="use another --dir, or --fresh to set this state aside and begin anew",
        )


def _scenario_differences(held: dict[str, Any], document: dict[str, Any]) -> list[str]:
    before, now = _flat(held), _flat(document)
    differences = [
        f"{key}: {before.get(key)!r} in the state, {now.get(key)!r} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not key.startswith(_FREE)
    ]
    if now["population.size"] < before["population.size"]:
        differences.append(
            f"population.size: {before['population.size']} in the state, {now['population.size']} now; people cannot be unmade"
        )
    return differences


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {key: value}
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        flat |= _flat(inner, f"{key}.{name}" if key else name)
    return flat
