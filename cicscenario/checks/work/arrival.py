"""Decides about people whose token balance is not what it should be: a gift is sent only where it is proved that none arrived.

The ledger says what was sent, and the chain what it has of that. A transaction that the chain has is never followed by another.
"""

from collections.abc import Mapping, Sequence

from cicscenario.capabilities.context import RunContext, seen_height
from cicscenario.capabilities.remedy import Decision, LeftAlone, MadeAgain, MendedWith
from cicscenario.chain.abi import pack
from cicscenario.chain.contracts import BALANCE_OF, eth_call
from cicscenario.chain.reading import as_numbers, up_to_date
from cicscenario.checks.work.sent import LOOKED_UP, SENT_AGAIN, LastSent, SentFate, sent
from cicscenario.people.person import Person

GIFT, FAUCET = "gift", "faucet"

_ARRIVED = MendedWith(
    (FAUCET,),
    "the gift has arrived, as the chain shows: the tokens were moved since, or more came from others. It is not sent again",
)
_IN_PART = LeftAlone(
    "the gift arrived in part: the transaction moved another amount than was sent. It is not sent again"
)
_OTHERS = LeftAlone(
    "nothing was sent by this run, but tokens are there that it did not give: part of a gift may be among them"
)
_NO_GIFT = MendedWith((FAUCET,), "no gift is due to them, so others have moved tokens")


def judge(context: RunContext, people: Sequence[Person], problems: Mapping[int, str]) -> dict[int, Decision]:
    """Decides about each person; see the module."""
    gives = context.scenario.gift.method != "none"
    due = [person for person in people if person.gift and gives]
    decided: dict[int, Decision] = dict.fromkeys((person.id for person in people), _NO_GIFT)
    fates = sent(context, GIFT, due)
    nothing = [person for person in due if fates[person.id].fate is SentFate.NEVER]
    held = _balances(context, nothing) if nothing else {}
    for person in due:
        decided[person.id] = _decided(fates[person.id], held.get(person.id, 0), _from_faucet(context))
    return decided


def _decided(one: LastSent, held: int, faucet: int) -> Decision:
    match one.fate:
        case SentFate.MINED:
            in_part = one.row is not None and one.row.detail is not None and " moved " in one.row.detail
            return _IN_PART if in_part else _ARRIVED
        case SentFate.LOST:
            return MadeAgain(GIFT, SENT_AGAIN)
        case SentFate.OPEN:
            return MadeAgain(GIFT, LOOKED_UP)
        case SentFate.NEVER:
            return MadeAgain(GIFT, "no gift was sent, and the gift is sent") if held <= faucet else _OTHERS


def _from_faucet(context: RunContext) -> int:
    """The most that an account has of the gift's token without a gift, in base units."""
    contracts = context.services.chain.contracts
    faucet = contracts.faucet
    return faucet.amount if faucet and context.scenario.faucet and faucet.token == contracts.token else 0


def _balances(context: RunContext, people: Sequence[Person]) -> dict[int, int]:
    """The balances in base units, by person id, from a node that has every block that the run knows."""
    chain = context.services.chain
    calls = [eth_call(chain.contracts.token.address, pack(BALANCE_OF, person.account)) for person in people]
    found = as_numbers(
        chain.rpc, calls, up_to_date(chain.rpc, calls, lambda: seen_height(chain, context.state), context.stopping)
    )
    return {person.id: number for person, number in zip(people, found, strict=True)}
