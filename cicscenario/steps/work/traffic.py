"""Writes ``payments.csv``: what was paid, or refused as it should be, in the order in which it was planned."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.payments import payments_in, purpose_of, units
from cicscenario.chain.abi import to_hex
from cicscenario.chain.proof import SentCall
from cicscenario.files import OWNER_ONLY, replacing
from cicscenario.payments.payment import Payment

HEAD = "number,day,payer,payee,amount,outcome,hash"
_PAGE = 500  # payments whose transactions are read at a time


class Made(NamedTuple):
    """A payment that has ended as it should."""

    payment: Payment
    amount: int  #: base units that were asked for
    hash: bytes | None  #: None where there is no transaction: a service has refused to make one

    @property
    def outcome(self) -> str:
        return "refused" if self.payment.refused else "paid"


def write_file(context: RunContext, path: Path) -> None:
    """Writes the payments that have ended as they should. ``payer`` and ``payee`` are people, ``amount`` is in base units."""
    with replacing(path, mode=OWNER_ONLY) as file:
        file.writelines(f"{line}\n".encode() for line in _lines(context))


def _lines(context: RunContext) -> Iterator[str]:
    yield HEAD
    for one in made(context):
        number, payer, payee, _, day, _ = one.payment
        yield f"{number},{day},{payer},{payee},{one.amount},{one.outcome},{to_hex(one.hash) if one.hash else ''}"


def made(context: RunContext) -> Iterator[Made]:
    """The payments that have ended as they should, in the order in which they were planned. Reads some of them at a time."""
    plan = payments_in(context)
    payments = iter(plan)
    while part := list(islice(payments, _PAGE)):
        numbers = [one.number for one in part]
        rows = {row.purpose: row for row in context.state.parts_sent([purpose_of(number) for number in numbers])}
        asked = context.state.payments(numbers)
        for one in part:
            outcome, row = "refused" if one.refused else "paid", rows.get(purpose_of(one.number))
            if row is not None and row.status == ("failed" if one.refused else "mined"):
                yield Made(one, SentCall.of(row.raw).argument(1), row.hash)
            for found in [found for found in asked.get(one.number, ()) if found.status == outcome][:1]:
                yield Made(one, units(plan, one, context.services.chain.contracts), found.hash)
