"""What the services have of one person at present. What is absent, and what a service did not tell, are two things.

Every service is asked at the same time as the others, so that one that does not answer keeps nobody waiting for the rest.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cicscenario.capabilities.context import seen_height
from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind, Writer
from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import BALANCE_OF, HAVE, Token, eth_call
from cicscenario.chain.reading import as_numbers, up_to_date
from cicscenario.chain.rpc import Call
from cicscenario.connections import Connections, Service
from cicscenario.engine.history import whole_tokens
from cicscenario.engine.identity import place_differences
from cicscenario.errors import CicScenarioError, InterruptedRunError, UnavailableError
from cicscenario.metadata import all_kinds
from cicscenario.people.person import Person, parse_address
from cicscenario.plan.compile import Plan
from cicscenario.printable import foreign
from cicscenario.services.accounts import AccountStatus
from cicscenario.services.custodial.outcome import Failed, Lost
from cicscenario.state.store import Store

_NO_ACCOUNT = "the run knows no account of this person"
_ALL = "everything"
_SHOWN = 160  # characters of a value
_PATIENCE = 30.0  # seconds for the custodial engine's answer


class There(StrEnum):
    """Whether something is there."""

    PRESENT = "present"
    ABSENT = "absent"
    NOT_ANSWERED = "not answered"


@dataclass(frozen=True)
class Presence:
    """One thing in one service. ``detail`` is what was found, or why there was no answer."""

    service: str
    what: str
    there: There
    detail: str = ""


@dataclass(frozen=True)
class Look:
    """What is looked at: a person of a run, and the services of its environment."""

    plan: Plan
    store: Store
    person: Person
    services: Connections


Answers = Iterator[Presence]


def presence(look: Look) -> list[Presence]:
    """Asks every service that the plan uses, and changes nothing. Raises InterruptedRunError when it is asked to stop."""
    asked = [(service, ask) for service, ask in _ASKED.items() if _is_used(look, service)]
    with ThreadPoolExecutor(len(asked) or 1, "show") as pool:
        found = list(pool.map(lambda one: _guarded(one[0], one[1], look), asked))
    return [one for part in found for one in part]


def unasked(plan: Plan, why: str) -> list[Presence]:
    """The same when no service can be reached, for the reason ``why``."""
    return [Presence(service.value, _ALL, There.NOT_ANSWERED, why) for service in _ASKED if service in plan.services]


def _is_used(look: Look, service: Service) -> bool:
    if service is Service.ACCOUNTS and look.plan.scenario.backend.traits.has_phone_accounts:
        return service in look.plan.services or look.services.environment.accounts is not None
    return service in look.plan.services


def _guarded(service: Service, ask: Callable[[Look], Answers], look: Look) -> list[Presence]:
    """The answers of a service up to its first failure, and that."""
    found: list[Presence] = []
    try:
        found.extend(ask(look))
    except InterruptedRunError:
        raise
    except CicScenarioError as error:
        why = error.message + (f" ({error.hint})" if error.hint else "")
        found.append(Presence(service.value, "all else" if found else _ALL, There.NOT_ANSWERED, why))
    return found


# --- the chain ------------------------------------------------------------------------------------------------------


def _chain(look: Look) -> Answers:
    if (account := look.person.address) is None:
        yield Presence(Service.CHAIN, _ALL, There.NOT_ANSWERED, _NO_ACCOUNT)
        return
    chain = look.services.chain
    if other := place_differences(look.store.meta(), look.plan, look.services):
        raise UnavailableError(f"{chain.rpc.name} is not the chain of this run: {'; '.join(other)}")
    contracts = chain.contracts
    tokens = [contracts.token]
    if contracts.faucet and contracts.faucet.token != contracts.token:
        tokens.append(contracts.faucet.token)
    calls: list[Call] = [
        ("eth_getBalance", [to_hex(account), "latest"]),
        ("eth_getTransactionCount", [to_hex(account), "latest"]),
        eth_call(contracts.accounts_index, pack(HAVE, account)),
        *(eth_call(token.address, pack(BALANCE_OF, account)) for token in tokens),
    ]
    if contracts.faucet:
        calls.append(eth_call(contracts.faucet.address, pack(contracts.faucet.probe, account)))
    answers = up_to_date(chain.rpc, calls, lambda: seen_height(chain, look.store), None)
    wei, nonce, indexed, *more = as_numbers(chain.rpc, calls, answers)
    yield Presence(Service.CHAIN, "native currency", _there(wei), f"{wei} wei")
    yield Presence(Service.CHAIN, "transactions sent", _there(nonce), f"its next nonce is {nonce}")
    yield Presence(Service.CHAIN, "accounts index", _there(indexed == 1))
    for token, units in zip(tokens, more, strict=False):
        yield Presence(Service.CHAIN, f"{token.symbol} balance", _there(units), _amount(token, units))
    if contracts.faucet:
        yield Presence(Service.CHAIN, "faucet used", _there(contracts.faucet.used(more[-1])))


def _amount(token: Token, units: int) -> str:
    return f"{whole_tokens(units, token.decimals)} {token.symbol} ({units} base units)"


def _there(value: int) -> There:
    return There.PRESENT if value else There.ABSENT


# --- the custodial engine -------------------------------------------------------------------------------------------


def _custodial(look: Look) -> Answers:
    if (account := look.person.address) is None:
        yield Presence(Service.CUSTODIAL, "key of the account", There.NOT_ANSWERED, _NO_ACCOUNT)
        return
    custodial = look.services.custodial
    answer = custodial.have([account], time.monotonic() + _PATIENCE)[account]
    if isinstance(answer, Failed | Lost):
        yield Presence(Service.CUSTODIAL, "key of the account", There.NOT_ANSWERED, foreign(answer))
    else:
        yield Presence(Service.CUSTODIAL, "key of the account", _there(answer))


# --- the phone interface's table ------------------------------------------------------------------------------------


def _accounts(look: Look) -> Answers:
    phone, accounts = look.person.phone, look.services.accounts
    row = accounts.read([phone]).get(phone)
    if row is None:
        yield Presence(Service.ACCOUNTS, "row of the phone number", There.ABSENT, phone)
        return
    status = {one.value: one.name.lower() for one in AccountStatus}.get(row.status, "unknown")
    address = parse_address(row.address)
    same = address is not None and address == look.person.address
    account = "this account" if same else f"another account, {foreign(row.address, 80)}"
    pin = "a PIN" if row.password_hash else "no PIN"
    detail = f"{account}; status {row.status} ({status}), language {foreign(row.preferred_language, 40)}, {pin}"
    yield Presence(Service.ACCOUNTS, "row of the phone number", There.PRESENT, detail)
    state = accounts.last_states([phone]).get(phone)
    said = f"stopped at {foreign(state, 80)}" if state else ""
    yield Presence(Service.ACCOUNTS, "last session", _there(state is not None), said)


# --- the metadata store ---------------------------------------------------------------------------------------------


def _metadata(look: Look) -> Answers:
    scenario, person = look.plan.scenario, look.person
    kinds = [k for k in all_kinds() if k.name in scenario.metadata or k.writer(scenario) is Writer.INTERFACE]
    for kind in kinds:
        if person.address is None and kind.by_account:
            yield _told(kind, There.NOT_ANSWERED, _NO_ACCOUNT)
    able = [kind for kind in kinds if person.address is not None or not kind.by_account]
    # The pointer of an entry that is not by account does not depend on it.
    entries = [kind.entry(person, person.address or bytes(20), look.services.spec) for kind in able]
    for kind, entry, found in zip(
        able, entries, look.services.meta.get_many([e.pointer for e in entries]), strict=True
    ):
        yield _entry(kind, entry, found, look)


def _entry(kind: MetadataKind, entry: MetadataEntry, found: Any, look: Look) -> Presence:
    if isinstance(found, CicScenarioError):
        return _told(kind, There.NOT_ANSWERED, found.message)
    if found is None:
        return _told(kind, There.ABSENT, f"at {entry.pointer.hex()}")
    value = foreign(json.dumps(found, ensure_ascii=False), _SHOWN)
    where = look.services.environment.meta
    merges = where is not None and where.write == "two-step"
    expected = look.person.address is not None and entry.problem(found, merges=merges) is None
    as_is = "as it was written" if expected else "not what this run writes"
    return _told(kind, There.PRESENT, f"{as_is}, at {entry.pointer.hex()}: {value}")


def _told(kind: MetadataKind, there: There, detail: str) -> Presence:
    return Presence(Service.META, f"{kind.name} entry", there, detail)


_ASKED: Mapping[Service, Callable[[Look], Answers]] = {
    Service.CHAIN: _chain,
    Service.CUSTODIAL: _custodial,
    Service.ACCOUNTS: _accounts,
    Service.META: _metadata,
}


def document(found: Sequence[Presence]) -> list[dict[str, str]]:
    """The same as data."""
    return [{"service": one.service, "what": one.what, "there": one.there.value, "detail": one.detail} for one in found]
