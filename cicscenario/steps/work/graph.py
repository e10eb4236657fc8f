"""Writes ``payments.graphml``: people as nodes, and what they paid each other as edges, for programs that analyse networks.

The format is that of GraphML 1.0 (http://graphml.graphdrawing.org/specification.html, schema
http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd). It is written as it is read: its size in memory grows with people, not
with payments.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.payments import payments_in, places_of
from cicscenario.chain.contracts import Contracts
from cicscenario.files import OWNER_ONLY, replacing
from cicscenario.printable import one_line
from cicscenario.steps.work.traffic import made

_SPACE = "http://graphml.graphdrawing.org/xmlns"
_LARGEST = 2**63 - 1  # of a GraphML long
_PERSON = (("person", "int"), ("place", "string"), ("given", "amount"), ("balance", "amount"))
_PAYMENT = (("number", "int"), ("amount", "amount"), ("day", "int"), ("state", "string"))


def write_file(context: RunContext, path: Path) -> None:
    """Writes everybody, and the payments that have ended as they should. Amounts are in base units."""
    with replacing(path, mode=OWNER_ONLY) as file:
        file.writelines(f"{line}\n".encode() for line in _lines(context))


def _lines(context: RunContext) -> Iterator[str]:
    contracts = context.services.chain.contracts
    given, balances, largest = _balances(context, contracts)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<graphml xmlns="{_SPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xsi:schemaLocation="{_SPACE} {_SPACE}/1.0/graphml.xsd">'
    )
    for of, keys in (("node", _PERSON), ("edge", _PAYMENT)):
        for name, kind in keys:
            shown = kind if kind != "amount" else "long" if largest <= _LARGEST else "double"
            yield f'<key id="{of}.{name}" for="{of}" attr.name="{name}" attr.type="{shown}"/>'
    yield '<graph id="payments" edgedefault="directed">'
    yield from _nodes(context, contracts, given, balances)
    for one in made(context):
        number, payer, payee, _, day, _ = one.payment
        yield (
            f'<edge id="p{number}" source="n{payer}" target="n{payee}">'
            f"{_data('edge', _PAYMENT, (number, one.amount, day, one.outcome))}</edge>"
        )
    yield "</graph>"
    yield "</graphml>"


def _nodes(context: RunContext, contracts: Contracts, given: int, balances: Sequence[int]) -> Iterator[str]:
    gifts, places = payments_in(context).gifts, places_of(context.population, context.size)
    for person, balance in enumerate(balances):
        place = escape(one_line(places.names[places.of_people[person]]))
        values = (person, place, contracts.token.base_units(gifts[person]), given + balance)
        yield f'<node id="n{person}">{_data("node", _PERSON, values)}</node>'


def _data(of: str, keys: Sequence[tuple[str, str]], values: Sequence[int | str]) -> str:
    return "".join(
        f'<data key="{of}.{name}">{value}</data>' for (name, _), value in zip(keys, values, strict=True) if value != ""
    )


def _balances(context: RunContext, contracts: Contracts) -> tuple[int, list[int], int]:
    """The faucet's payout of the token, what the gifts and payments have left to each person, and the largest amount."""
    faucet = contracts.faucet
    paid_out = faucet.amount if faucet and context.scenario.faucet and faucet.token == contracts.token else 0
    balances = [contracts.token.base_units(gift) for gift in payments_in(context).gifts]
    largest = sum(balances) + paid_out
    for one in made(context):
        largest = max(largest, one.amount)
        if not one.payment.refused:
            balances[one.payment.payer] -= one.amount
            balances[one.payment.payee] += one.amount
    return paid_out, balances, largest
