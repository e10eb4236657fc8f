"""What the state of a run has about one person: steps, checks, transactions and requests, as data for people and programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cicscenario.capabilities.money import symbol_in
from cicscenario.chain.abi import to_hex
from cicscenario.chain.contracts import MINT_TO, TRANSFER
from cicscenario.chain.proof import SentCall
from cicscenario.people.person import Person, checksum
from cicscenario.plan.compile import Plan
from cicscenario.state.rows import CheckRow, Failure, LedgerRow, Made, PaymentRow, RequestRow
from cicscenario.state.store import Store


@dataclass(frozen=True)
class Ended:
    """What a step or check came to for a person, in a word; ``at`` is a time in UTC (ISO 8601), None when it is not known."""

    name: str
    result: str
    at: str | None
    detail: str | None


@dataclass(frozen=True)
class Sent:
    """A transaction of the run for a person. ``tokens`` is ``base_units`` in whole tokens; both are None without a token.

    ``wei`` is the native currency that it transfers.
    """

    purpose: str
    nonce: int
    hash: str
    status: str
    block: int | None
    tokens: str | None
    base_units: int | None
    wei: int
    signer: str
    detail: str | None


@dataclass(frozen=True)
class Asked:
    """A request for an account; ``channel`` is where the callback is published."""

    id: str
    status: str
    channel: str
    account: str | None
    detail: str | None


@dataclass(frozen=True)
class AskedPayment:
    """A request for a payment that the person makes, to a service that holds the key. ``hash`` is its transaction's."""

    number: int
    id: str
    status: str
    hash: str | None
    detail: str | None


@dataclass(frozen=True)
class History:
    """Everything that a state has about one person."""

    person: Person
    unit: str  #: of the gift: the symbol of its token, where that is known
    steps: tuple[Ended, ...]
    checks: tuple[Ended, ...]
    transactions: tuple[Sent, ...]
    requests: tuple[Asked, ...]
    payments: tuple[AskedPayment, ...]

    @property
    def who(self) -> dict[str, Any]:
        """The person, as data."""
        one = self.person
        return {
            "index": one.id,
            "name": one.name,
            "phone": one.phone,
            "account": checksum(one.address) if one.address else None,
            "old_account": checksum(one.old_address),
            "language": one.language,
            "tags": list(one.tags),
            "gift": one.gift,
        }


def history(plan: Plan, store: Store, person: Person) -> History:
    """Reads it from the state only."""
    outcomes = store.outcomes_of(person.id)
    steps = []
    for step in plan.steps:
        end = outcomes.get(step.name)
        result = "pending" if end is None else "done" if end.ok else "failed"
        steps.append(Ended(step.name, result, moment(end.at if end else 0), end.detail if end else None))
    names = [check.name for check in plan.checks]
    found = {one.name: one for one in store.failures_of(person.id, names) if one.what == "check"}
    held = store.checks()
    return History(
        person,
        symbol_in(store.meta(), plan.scenario),
        tuple(steps),
        tuple(_check(name, held.get(name), found.get(name), person.id, store) for name in names),
        tuple(_sent(row, store.meta()) for row in store.transactions_of(person.id)),
        tuple(_asked(row) for row in store.requests([person.id]).get(person.id, ())),
        tuple(_payment(row) for row in store.payments_by([person.id]).get(person.id, ())),
    )


def moment(at: int) -> str | None:
    """A time in Unix seconds as ISO 8601 in UTC; None for 0, which is not known."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def _check(name: str, row: CheckRow | None, failure: Failure | None, person: int, store: Store) -> Ended:
    if row is None or person >= row.total:
        return Ended(name, "not made yet", None, None)
    if failure is not None:
        result = {Made.YES: "not passed", Made.NOT_ASKED: "not asked", Made.NOT_MADE: "not made"}[failure.made]
        return Ended(name, result, moment(row.at), failure.reason)
    if not store.knows_all(row):
        return Ended(
            name, "not known", moment(row.at), "an earlier version kept the first people only who did not pass"
        )
    return Ended(name, "passed", moment(row.at), f"allowed: {row.allowed}" if row.allowed else None)


def _sent(row: LedgerRow, meta: Mapping[str, str]) -> Sent:
    call = SentCall.of(row.raw)
    units = call.argument(1) if call.function in (TRANSFER, MINT_TO) else None
    tokens = None
    if units is not None and to_hex(call.to) == meta.get("token"):
        tokens = whole_tokens(units, int(meta.get("decimals", "0")))
    return Sent(
        row.purpose, row.nonce, to_hex(row.hash), row.status, row.block, tokens, units, call.value,
        checksum(row.signer), row.detail,
    )  # fmt: skip


def whole_tokens(units: int, decimals: int) -> str:
    """Base units as tokens, without zeros at the end."""
    whole, rest = divmod(units, int(10**decimals))
    return f"{whole}.{rest:0{decimals}d}".rstrip("0") if rest else str(whole)


def _asked(row: RequestRow) -> Asked:
    return Asked(row.id, row.status, row.channel, checksum(row.address) if row.address else None, row.detail)


def _payment(row: PaymentRow) -> AskedPayment:
    return AskedPayment(row.number, row.id, row.status, to_hex(row.hash) if row.hash else None, row.detail)


def listed(people: Sequence[Person]) -> list[dict[str, Any]]:
    """Several people, for a choice."""
    return [
        {
            "index": one.id,
            "name": one.name,
            "phone": one.phone,
            "account": checksum(one.address) if one.address else None,
        }
        for one in people
    ]
