"""Holds the planned payments against the token's Transfer logs, which are read for many payers at a time."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.payments import first_block, payments_in, units
from cicscenario.capabilities.transfers import transfers
from cicscenario.chain.abi import to_hex
from cicscenario.people.person import Person

_PAGE = 1000  # payments whose payees are read at a time
_Paid = Counter[tuple[bytes, bytes, int]]  # payer, payee, and base units


def verifier(context: RunContext) -> Verifier:
    """Compares the payments of some payers with what the chain has of them."""

    def verify(people: Sequence[Person]) -> dict[int, str]:
        payers = {person.id: person.account for person in people}
        planned, refused = _planned(context, payers)
        first = first_block(context)
        accounts = [account for person, account in payers.items() if person in planned or person in refused]
        found = _Paid(one[:3] for one in transfers(context, accounts, first))
        said = ((person, _problem(payers[person], planned, refused, person, found)) for person in payers)
        return {person: what for person, what in said if what is not None}

    return verify


_ByPayer = dict[int, Counter[tuple[bytes, int]]]


def _planned(context: RunContext, payers: dict[int, bytes]) -> tuple[_ByPayer, _ByPayer]:
    """By payer: how often each amount is to be paid to each account, and how often it is to be refused."""
    wanted, refused = dict[int, Counter[tuple[bytes, int]]](), dict[int, Counter[tuple[bytes, int]]]()
    contracts = context.services.chain.contracts
    plan = payments_in(context)
    payments = (payment for payer in payers for payment in plan.made_by(payer))
    while part := list(islice(payments, _PAGE)):
        payees = context.state.people_of(list({payment.payee for payment in part}))
        for payment in part:
            payee = payees.get(payment.payee)
            account = payee.address if payee and payee.address else b""  # nobody can have paid to no account
            table = refused if payment.refused else wanted
            table.setdefault(payment.payer, Counter())[account, units(plan, payment, contracts)] += 1
    return wanted, refused


def _problem(account: bytes, planned: _ByPayer, refused: _ByPayer, person: int, found: _Paid) -> str | None:
    own = planned.get(person, Counter())

    def times_paid(payee: bytes, amount: int) -> int:
        return found[account, payee, amount]

    for (payee, amount), times in own.items():
        seen = times_paid(payee, amount)
        if seen != times:
            missing = f"{times - seen} of {times} payments" if seen < times else f"{seen} payments instead of {times}"
            where = "missing on the chain" if seen < times else "on the chain"
            return f"{missing} of {amount} base units to {to_hex(payee)}: {where}"
    for payee, amount in refused.get(person, Counter()):
        if (payee, amount) not in own and times_paid(payee, amount):
            return f"a payment of {amount} base units to {to_hex(payee)} should have been refused, and is on the chain"
    return None
