"""Whose state it is: a run goes on only with the scenario, the people and the chain that it began with."""

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
from cicscenario.people.population import Population
from cicscenario.plan.compile import Plan
from cicscenario.plan.sources import fingerprint
from cicscenario.state.store import Store

#: What may differ: how a scenario is described, where it runs (the chain itself is compared), and what is checked.
_FREE = ("description", "environment", "checks", "population.size", "backend.patience")
#: What may be added to a run, and never taken back: it is done for everybody who is there already.
_GROWS = ("metadata", "pins", "ussd_data")


def compare(store: Store, plan: Plan, services: Connections | None, *, people: bool = True) -> None:
    """Makes sure that a state is this plan's, or nobody's yet; changes nothing.

    A scenario that only grew goes on: more people, more kinds of metadata, PINs or USSD data. Without ``services`` the
    chain is not compared; without ``people`` neither is the source of the people, which may be gone when nobody new is
    made of it. Raises StateRefusedError naming what differs.
    """
    held = store.meta()
    if not held:
        return
    differences = _scenario_differences(json.loads(held["scenario"]), plan.scenario)
    place = _place(plan, services) if services else {}
    differences += [
        f"{key}: {held[key]} in the state, {value} now"
        for key, value in place.items()
        if key in held and held[key] != value
    ]
    differences += _source_differences(store, held, plan) if people else []
    if differences:
        raise StateRefusedError(
            f"{store.path} is not of this scenario and chain:\n  " + "\n  ".join(differences),
            hint="this state goes on with the scenario, the people and the chain that began it; a run in another --dir is a"
            " run of its own, and makes and pays all its people anew",
        )


def claim(store: Store, plan: Plan, services: Connections) -> None:
    """Makes a state, which was compared, this plan's: from now on it is refused to others.

    What checks had found counts no more when they are asked for in another way.
    """
    held = store.meta()
    if not checks_as_before(store, plan.scenario):
        store.forget_checks()
    text = json.dumps(plan.scenario.canonical(), sort_keys=True)
    current = {"scenario": text, "digest": hashlib.sha256(text.encode()).hexdigest()}
    current |= _place(plan, services) | _source(plan)
    if not held:
        current |= {"lineage": uuid.uuid4().hex, "since": str(_time(services) if plan.on_chain else 0)}
    store.set_meta(current)


def checks_as_before(store: Store, scenario: Scenario) -> bool:
    """Whether the scenario asks for checks as it did when the state was last claimed."""
    held = store.meta().get("scenario")
    return held is not None and json.loads(held).get("checks") == scenario.canonical().get("checks")


def _place(plan: Plan, services: Connections) -> dict[str, str]:
    if plan.on_chain:
        return _chain(services.chain)
    spec = services.environment.chain_spec
    return {"spec": str(spec)} if spec else {}


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


def _time(services: Connections) -> int:
    """The chain's own, in Unix seconds: decay is reckoned by it."""
    return int(services.chain.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


# --- the scenario -------------------------------------------------------------------------------------------------


def _scenario_differences(held: dict[str, Any], scenario: Scenario) -> list[str]:
    document = scenario.canonical()
    before, now = flatten(held), flatten(document)
    free = (*_FREE, *_idle_options(scenario, {*before, *now}))
    differences = [
        f"{key}: {before.get(key)!r} in the state, {now.get(key)!r} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not key.startswith(free) and not _grew(key, before, now)
    ]
    sizes = [document.get("population.size") for document in (before, now)]
    if sizes[0] is not None and sizes[1] is not None and sizes[1] < sizes[0]:
        differences.append(f"population.size: {sizes[0]} in the state, {sizes[1]} now; people cannot be unmade")
    return differences


def _idle_options(scenario: Scenario, keys: set[str]) -> list[str]:
    """Options of other backends: which of them there are depends on the packages that are installed."""
    meant = ("backend.kind", *(f"backend.{option}" for option in scenario.backend.traits.options))
    return [key for key in keys if key.startswith("backend.") and not key.startswith(meant)]


def _grew(key: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the change only asks for more: a kind of metadata, PINs where there were none, USSD data."""
    if not key.startswith(_GROWS):
        return False
    if key.startswith("pins"):
        return not any(name.startswith("pins") for name in before)
    if isinstance(now.get(key), list):
        return set(before.get(key) or ()) <= set(now[key])
    return before.get(key) in (None, False) and now.get(key) is not None


# --- where people come from ---------------------------------------------------------------------------------------


def _source(plan: Plan) -> dict[str, str]:
    """What identifies the people of ``population.from``; those whom a seed makes are identified by the scenario."""
    if plan.scenario.population.source is None:
        return {}
    return {"source_size": str(plan.size), "source": fingerprint(plan.population, plan.size)}


def _source_differences(store: Store, held: dict[str, str], plan: Plan) -> list[str]:
    """More people at the end of the source are fine; other people, and fewer, are not."""
    if "source" not in held or plan.scenario.population.source is None:
        return []
    size, source = int(held["source_size"]), plan.scenario.population.source
    if plan.size < size:
        return [f"the people of {source}: {size} in the state, {plan.size} now; people cannot be unmade"]
    if fingerprint(plan.population, size) == held["source"]:
        return []
    return [f"the people of {source} are others than those that the run began with{_first(store, plan.population)}"]


def _first(store: Store, population: Population) -> str:
    """Names the first of the people in the state who is somebody else in the source."""
    for person in store.all_people():
        now = population.person(person.id)
        if (now.phone, now.old_address) != (person.phone, person.old_address):
            return f"; first, person {person.id}: {person.phone} in the state, {now.phone} now"
    return ""
