"""What is left to do, what that costs, and whether the signer can pay for it and may do it."""

from dataclasses import dataclass, replace

from cicscenario.chain.abi import pack, to_hex, word
from cicscenario.chain.contracts import ADD, BALANCE_OF, MINT_TO, eth_call
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.session import ChainSession
from cicscenario.connections import Connections
from cicscenario.errors import CicScenarioError
from cicscenario.plan.compile import Plan
from cicscenario.state.store import Store
from cicscenario.steps.base import Lane

#: Gas that one transaction is expected to use, rounded up. Measured on the older contracts with anvil; the accounts
#: index is asked instead, since deployments differ most there.
TYPICAL_GAS = {"registration": 76_000, "gift": 72_500, "faucet": 134_000, "gas": 21_000}

#: Nobody's account: the first address that is not a precompile, for asking what would happen.
_SAMPLE = (0xC1C).to_bytes(20, "big")


@dataclass(frozen=True)
class StepWork:
    """One line of a plan; ``gas`` in gas, for the transactions still to send."""

    name: str
    summary: str
    to_do: int
    done: int
    failed: int
    transactions: int
    gas: int


@dataclass(frozen=True)
class Need:
    """Something a run cannot do without, and what was found, in words; where it is an amount, as numbers too.

    ``ok`` is whether nothing is known to be missing: also where nobody was there to be ``asked``.
    """

    what: str
    needs: str
    has: str
    ok: bool
    hint: str = ""
    asked: bool = True
    needed: int | None = None
    held: int | None = None
    unit: str = ""  #: of both amounts


def _amount(what: str, needed: int, held: int, unit: str, hint: str) -> Need:
    return Need(
        what, f"{needed:,} {unit}", f"{held:,} {unit}", held >= needed, hint, needed=needed, held=held, unit=unit
    )


def not_asked(what: str, needs: str = "an answer", *, needed: int | None = None, unit: str = "") -> Need:
    """A need that is known beforehand, of which nobody was there to say whether it is met."""
    words = needs if needed is None else f"{needed:,} {unit}"
    return Need(what, words, "not asked", ok=True, asked=False, needed=needed, unit=unit)


def work(plan: Plan, store: Store | None) -> list[StepWork]:
    """What each step has to do. Without a state, everything."""
    counts = store.counts() if store else {}
    sent = store.transaction_counts() if store else {}
    lines = []
    for step in plan.steps:
        done, failed = counts.get(step.name, (0, 0))
        to_do = plan.size - done
        # Some may be mined whose outcome a killed run had no time to write down.
        left = min(to_do, plan.size - sent.get(step.name, {}).get("mined", 0))
        sends = left if step.lane is Lane.CHAIN else 0
        if step.name == "gift" and sends:
            sends = _gifts_to_send(plan, store)[0]
        lines.append(
            StepWork(step.name, step.summary, to_do, done, failed, sends, sends * TYPICAL_GAS.get(step.name, 0))
        )
    return lines


def _gifts_to_send(plan: Plan, store: Store | None) -> tuple[int, int]:
    """Number of people still to be given something, and the sum of it in whole tokens."""
    known = store.population() if store else 0
    number, total = store.gifts_without("gift") if store else (0, 0)
    for index in range(known, plan.size):
        gift = plan.population.gift(index)
        number, total = number + (gift > 0), total + gift
    return number, total


def answers(plan: Plan, services: Connections) -> list[Need]:
    """Asks every service that the plan needs; what is missing says so, before anything is changed."""
    found = []
    for service in plan.services:
        try:
            found.append(Need(service, "an answer", services.ask(service), ok=True))
        except CicScenarioError as error:
            found.append(Need(service, "an answer", error.message, ok=False, hint=error.hint or ""))
    return found


def needs(plan: Plan, lines: list[StepWork], session: ChainSession, store: Store | None) -> list[Need]:
    """What the signer must have and may do for the work in ``lines``."""
    to_do = {line.name: line for line in lines if line.transactions}
    native = _gas(lines) * session.gas_price + _gas_gifts(plan, lines)
    signer = to_hex(session.signer.address)
    found = [_amount("native currency", native, session.balance(), "wei", f"send native currency to {signer}")]
    if "gift" in to_do:
        found.append(_gift_need(plan, session, _gifts_to_send(plan, store)[1]))
    if "registration" in to_do:
        answer = session.rpc.results(
            [eth_call(session.contracts.accounts_index, pack(ADD, _SAMPLE), session.signer.address)]
        )[0]
        found.append(
            _role("write to the accounts index", answer, f"make {signer} a writer of the accounts index (addWriter)")
        )
    if "faucet" in to_do:
        found += _faucet_needs(session, to_do["faucet"].transactions)
    return found


def foreseen(plan: Plan, lines: list[StepWork], store: Store | None) -> list[Need]:
    """What of ``needs`` can be told without the chain: the gas price and what the signer has and may do cannot.

    Nothing, when the plan sends nothing.
    """
    if not plan.sends:
        return []
    to_do = {line.name for line in lines if line.transactions}
    token = plan.scenario.gift.token or "the default token"
    found = [not_asked("native currency for fees", needed=_gas(lines), unit="gas")]
    if "gas" in to_do:
        found.append(not_asked("native currency to give", needed=_gas_gifts(plan, lines), unit="wei"))
    if "gift" in to_do:
        verb = "mint" if plan.scenario.gift.method == "mint" else "give"
        found.append(not_asked(f"{token} to {verb}", needed=_gifts_to_send(plan, store)[1], unit="whole tokens"))
    if "registration" in to_do:
        found.append(not_asked("may write to the accounts index", "yes"))
    if "faucet" in to_do:
        found.append(not_asked("a faucet", "named by the registry"))
    return found


def _gas(lines: list[StepWork]) -> int:
    return sum(line.gas for line in lines)


def _gas_gifts(plan: Plan, lines: list[StepWork]) -> int:
    """What people are given for their own fees, in wei."""
    return sum(line.transactions * plan.scenario.gas for line in lines if line.name == "gas")


def _gift_need(plan: Plan, session: ChainSession, whole: int) -> Need:
    token, signer = session.contracts.token, session.signer.address
    if plan.scenario.gift.method == "mint":
        answer = session.rpc.results([eth_call(token.address, pack(MINT_TO, _SAMPLE, 1), signer)])[0]
        return _role(f"mint {token.symbol}", answer, f"make {to_hex(signer)} a minter of {to_hex(token.address)}")
    has = word(session.rpc.calls([eth_call(token.address, pack(BALANCE_OF, signer))])[0])
    hint = f"send {token.symbol} to {to_hex(signer)}, or use `gift.method: mint`"
    return _amount(f"{token.symbol} to give", token.base_units(whole), has, "base units", hint)


def _role(what: str, answer: object, hint: str) -> Need:
    ok = not isinstance(answer, RpcError)
    return Need(f"may {what}", "yes", "yes" if ok else "no", ok, hint)


def _faucet_needs(session: ChainSession, uses: int) -> list[Need]:
    faucet = session.contracts.faucet
    if faucet is None:
        return [Need("a faucet", "named by the registry", "none", ok=False, hint="set `faucet: false` in the scenario")]
    answer = session.rpc.calls([eth_call(faucet.token.address, pack(BALANCE_OF, faucet.address))])[0]
    has, needed = word(answer), faucet.amount * uses
    hint = f"send {faucet.token.symbol} to the faucet {to_hex(faucet.address)}"
    need = _amount(f"{faucet.token.symbol} in the faucet", needed, has, "base units", hint)
    # A faucet that mints what it pays out needs no balance; only one that had some and ran low is known to be short.
    return [need if has else replace(need, has="none (it may mint)", ok=True)]
