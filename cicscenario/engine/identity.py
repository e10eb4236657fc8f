"""The identity of a state: a run resumes only with the scenario, the people and the chain that it began with."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cicscenario.capabilities.money import said_by_chain
from cicscenario.capabilities.payments import FIRST_BLOCK, PAYMENTS
from cicscenario.capabilities.pinsource import PinSource, pin_source
from cicscenario.chain.abi import to_hex
from cicscenario.chain.reading import block_time
from cicscenario.chain.review import NONCES
from cicscenario.chain.session import ChainSession
from cicscenario.connections import Connections
from cicscenario.errors import StateRefusedError
from cicscenario.files import from_here
from cicscenario.invocation import named_run, recall
from cicscenario.jsontext import parse_json
from cicscenario.language import Scenario
from cicscenario.language.dotted import flatten
from cicscenario.people.population import Population
from cicscenario.plan.compile import Plan
from cicscenario.state.store import Store
from cicscenario.wording import counted

_PROFILE = "profile"  # in the state: the digest of the profile that people are drawn from
_PINS = "pins_from"  # in the state: where people's PINs are from, for a run that has set any
_HASHES = "pin_hashes"  # in the state: the digest of the hashes that are brought, of ``source_size`` people
_NAMED = "named"  # in the state: the options that say which run is meant, and where
#: Keys that may change between runs. A changed environment must still lead to the same chain, which is compared.
_MAY_CHANGE = (
    "description", "environment", "checks", "population.size", "population.on_bad_row", "population.columns", "backend.patience",
    "steps",
)  # fmt: skip
#: Keys that may be extended between runs, but not reduced. The new steps are executed for all people.
_MAY_GROW = ("metadata", "pins", "ussd_data", "traffic")
#: Keys that states of earlier versions do not have, with the value that their runs had.
_CAME_LATER = {"population.profile": "uniform"}


def compare(store: Store, plan: Plan, services: Connections | None, *, people: bool = True) -> None:
    """Compares a state with a plan; changes nothing. An empty state matches every plan.

    A scenario that only grew matches too: more people, more metadata kinds, PINs or USSD data. Without ``services`` the
    chain is not compared. Without ``people`` the source of the people is not compared either: a verification does not
    read it, and it may be gone. Raises StateRefusedError with the differences.
    """
    held = store.meta()
    if not held:
        return
    differences = _scenario_differences(parse_json(held["scenario"]), plan.scenario) + _payment_differences(held, plan)
    differences += place_differences(held, plan, services) if services else []
    if people:
        differences += _source_differences(store, held, plan) + _profile_differences(held, plan.scenario)
    if differences:
        raise StateRefusedError(
            f"{store.path} is not the state of this scenario and chain:\n  " + "\n  ".join(differences),
            hint="resume this state with the scenario, the people and the chain that it began with; another --dir starts"
            " an independent run, which makes and pays all its people again",
        )


def place_differences(held: Mapping[str, str], plan: Plan, services: Connections) -> list[str]:
    """What of the chain, its registry, token and signer is not as the state's ``held`` values say."""
    return [
        f"{key}: {held[key]} in the state, {value} now"
        for key, value in _place(plan, services).items()
        if key in held and held[key] != value
    ]


def claim(store: Store, plan: Plan, services: Connections, *, used: bool = False) -> None:
    """Writes the plan's identity into a state that was compared; ``compare`` then refuses the state to other plans.

    Earlier check results are deleted when the scenario's ``checks`` have changed. ``used``: the run directory was used
    before, so what the signer has sent up to now is not known to be of others.
    """
    held = store.meta()
    if not checks_as_before(store, plan.scenario):
        store.forget_checks()
    text = json.dumps(plan.scenario.canonical(), sort_keys=True)
    current = {"scenario": text, "digest": hashlib.sha256(text.encode()).hexdigest()}
    current |= _place(plan, services) | _source(plan)
    if plan.on_chain:
        current |= said_by_chain(services.chain)
    if not held:
        current |= {"lineage": uuid.uuid4().hex, "since": str(_time(services) if plan.on_chain else 0)}
        if plan.on_chain:
            current[FIRST_BLOCK] = "0" if used else str(services.chain.height)
        if plan.sends:
            current[NONCES] = "0" if used else str(services.chain.next_nonce())
    if (named := named_run()) and not named.recalls:
        current[_NAMED] = json.dumps(_with_paths(named.kept(), lambda path: str(path.absolute())))
    store.set_meta(current)
    if not held:
        store.flush()  # so that this is known even of a state that loses its last part


def recall_named(held: Mapping[str, str]) -> None:
    """Adds to the commands that are shown what the run was given when it went on for the last time, as of this folder.

    ``held`` are the values of its state.
    """
    if kept := held.get(_NAMED):
        recall(_with_paths(parse_json(kept), from_here))


def _with_paths(kept: dict[str, Any], change: Callable[[Path], str]) -> dict[str, Any]:
    """The values with their paths changed."""
    paths = {key: kept[key] for key in ("scenario", "env") if kept.get(key) not in (None, "sandbox")}
    return kept | {key: change(Path(path)) for key, path in paths.items()}


def checks_as_before(store: Store, scenario: Scenario) -> bool:
    """Whether the scenario's ``checks`` are the same as when the state was last claimed."""
    held = store.meta().get("scenario")
    return held is not None and parse_json(held).get("checks") == scenario.canonical().get("checks")


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
    """The time of the latest block, in Unix seconds. The balance check computes a token's decay from it."""
    return block_time(services.chain.rpc)


# --- the scenario -------------------------------------------------------------------------------------------------


def _scenario_differences(held: dict[str, Any], scenario: Scenario) -> list[str]:
    document = scenario.canonical()
    before, now = _CAME_LATER | flatten(held), flatten(document)
    free = (*_MAY_CHANGE, *_idle_options(scenario, {*before, *now}))
    if now.get("traffic.duration") is None:  # else it says how many payments there are
        free = (*free, "traffic.rate")
    differences = [
        f"{key}: {before.get(key)!r} in the state, {now.get(key)!r} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not key.startswith(free) and not _grew(key, before, now)
    ]
    sizes = [document.get("population.size") for document in (before, now)]
    if sizes[0] is not None and sizes[1] is not None and sizes[1] < sizes[0]:
        differences.append(f"population.size: {sizes[0]} in the state, {sizes[1]} now; people cannot be removed")
    return differences


def _idle_options(scenario: Scenario, keys: set[str]) -> list[str]:
    """Options of other backends. They are not compared, because the installed packages decide which exist."""
    used = ("backend.kind", *(f"backend.{option}" for option in scenario.backend.traits.options))
    return [key for key in keys if key.startswith("backend.") and not key.startswith(used)]


def _grew(key: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the change only adds work: a metadata kind, PINs where there were none, or USSD data."""
    if not key.startswith(_MAY_GROW):
        return False
    if key.startswith(("pins", "traffic")):
        return not any(name.startswith(key.partition(".")[0]) and before[name] is not None for name in before)
    if isinstance(now.get(key), list):
        return set(before.get(key) or ()) <= set(now[key])
    return before.get(key) in (None, False) and now.get(key) is not None


def _payment_differences(held: dict[str, str], plan: Plan) -> list[str]:
    """Whether there are more people than when the payments began; then others would pay others."""
    size = int(held[PAYMENTS].partition(" ")[0]) if PAYMENTS in held else plan.size
    if plan.size == size:
        return []
    before, now = counted(size, "person"), counted(plan.size, "person")
    return [f"the payments between {before} have begun, and there would be {now}: they would pay differently"]


# --- the source of the people -------------------------------------------------------------------------------------


def _source(plan: Plan) -> dict[str, str]:
    """The digest and number of the people of ``population.from``.

    Generated people are identified by the scenario, and by the digest of their profile.
    """
    people = plan.scenario.population
    if people.source is None:
        return {_PROFILE: people.profile.digest} if people.profile else {}
    found = {"source_size": str(plan.size), "source": plan.fingerprint.of(plan.size)}
    if plan.scenario.pins is not None:
        found[_PINS] = pin_source(plan.scenario, plan.population, plan.hashes).kind
    if plan.pin_fingerprint:
        found[_HASHES] = plan.pin_fingerprint.of(plan.size)
    return found


def _source_differences(store: Store, held: dict[str, str], plan: Plan) -> list[str]:
    """The differences in the people of ``population.from``. People who were appended at the end are no difference."""
    if "source" not in held or plan.scenario.population.source is None:
        return []
    size, source = int(held["source_size"]), plan.scenario.population.source
    if plan.size < size:
        return [f"the people of {source}: {size} in the state, {plan.size} now; people cannot be removed"]
    if plan.fingerprint.of(size) != held["source"]:
        return [f"the people of {source} are not those that the run began with{_first(store, plan.population)}"]
    if differences := _pin_differences(held, plan, size):
        return differences
    if plan.scenario.backend.traits.makes_accounts:
        return []
    return _account_differences(store, plan.population, source)


def _pin_differences(held: Mapping[str, str], plan: Plan, size: int) -> list[str]:
    """Whether people would get PINs from elsewhere, or other hashes, than the run began with. A run without PINs may get some.

    PINs in clear are not compared: the state has nothing that they could be guessed from.
    """
    if _PINS not in held or plan.scenario.pins is None:
        return []
    now = pin_source(plan.scenario, plan.population, plan.hashes).kind
    if now != held[_PINS]:
        return [f"the PINs of the people: from {held[_PINS]} in the state, from {now} now"]
    if plan.pin_fingerprint and plan.pin_fingerprint.of(size) != held.get(_HASHES):
        return [f"the PIN hashes in {plan.scenario.pins.source} are not those that the run began with"]
    return []


def pins_of_run(scenario: Scenario, store: Store) -> PinSource:
    """Where the PINs are from that a run has set. Raises StateRefusedError when the scenario has them from elsewhere now."""
    source, held = pin_source(scenario), store.meta().get(_PINS)
    if held not in (None, source.kind):
        raise StateRefusedError(
            f"the PINs that this run has set are from {held}, and the scenario has them from {source.kind} now",
            hint="give the scenario and the people that the run began with",
        )
    return source


def _profile_differences(held: dict[str, str], scenario: Scenario) -> list[str]:
    """Whether a profile of the same name makes other people now. Another name is a difference of the scenario."""
    profile = scenario.population.profile
    if profile is None or held.get(_PROFILE, profile.digest) == profile.digest:
        return []
    return [f"population.profile: the figures of {profile.name} are not those that the run began with"]


def _account_differences(store: Store, population: Population, source: Path) -> list[str]:
    """The first account that the run took from the source and that is another one there now."""
    for person in store.all_people():
        now = population.account(person.id) if person.address else None
        if now is not None and now != person.address:
            return [
                f"the account of person {person.id} of {source}: {to_hex(person.account)} in the state, {to_hex(now)} now"
            ]
    return []


def _first(store: Store, population: Population) -> str:
    """Describes the first person whose data in the state differ from those in the source."""
    for person in store.all_people():
        now = population.person(person.id)
        if (now.phone, now.old_address) != (person.phone, person.old_address):
            return f"; first, person {person.id}: {person.phone} in the state, {now.phone} now"
    return ""
