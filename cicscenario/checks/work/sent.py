"""What the ledger and the chain say about the transactions of a step, for people who do not have what these should have done.

Nothing is written. A transaction that the ledger counts as mined is looked up on the chain again: the chain may have lost it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.redo import further_purpose
from cicscenario.capabilities.remedy import Decision, Judge, LeftAlone, MadeAgain
from cicscenario.chain.abi import to_hex
from cicscenario.chain.reading import on_this_chain
from cicscenario.chain.rpc import Call, RpcError, protocol_errors
from cicscenario.people.person import Person
from cicscenario.state.rows import LedgerRow


class SentFate(Enum):
    """What has become of the last transaction of a step for a person."""

    NEVER = auto()  #: none was sent, or all that were sent have failed
    OPEN = auto()  #: it was signed, and is not known to have ended
    LOST = auto()  #: it was mined, and the chain does not have it any more
    MINED = auto()  #: the chain has it


@dataclass(frozen=True)
class LastSent:
    """The last transaction of a step for a person, and the purpose that the next one would have."""

    fate: SentFate
    purpose: str  #: of the last one; of the first one if there is none
    following: str
    row: LedgerRow | None = None


def sent(context: RunContext, step: str, people: Sequence[Person]) -> dict[int, LastSent]:
    """What has become of the step's transactions, by person id. Raises UnavailableError when the chain does not answer."""
    found: dict[int, LastSent] = {}
    number, left = 1, [person.id for person in people]
    while left:
        purpose = further_purpose(step, number)
        live = context.state.live_transactions(purpose, left)
        following = further_purpose(step, number + 1)
        for person in left:
            row = live.get(person)
            if row is not None:
                fate = SentFate.MINED if row.status == "mined" else SentFate.OPEN
                found[person] = LastSent(fate, purpose, following, row)
            elif number == 1 or context.state.failed_transactions(purpose, [person]):
                found[person] = LastSent(SentFate.NEVER, purpose, following)
        left = [person for person, row in live.items() if row.status == "mined"]
        number += 1
    return found | _lost(context, found)


def _lost(context: RunContext, found: Mapping[int, LastSent]) -> dict[int, LastSent]:
    """Those of the mined ones that the chain does not have."""
    mined = [(person, one.row) for person, one in found.items() if one.fate is SentFate.MINED and one.row]
    if not mined:
        return {}
    rpc = context.services.chain.rpc
    with protocol_errors(rpc):
        asked: list[Call] = [("eth_getTransactionReceipt", [to_hex(row.hash)]) for _, row in mined]
        receipts = [_answered(one) for one in on_this_chain(rpc, asked, context.stopping)]
        return {
            person: LastSent(SentFate.LOST, found[person].purpose, found[person].following, row)
            for (person, row), receipt in zip(mined, receipts, strict=True)
            if receipt is None or receipt["blockNumber"] is None
        }


def _answered(receipt: Any | RpcError) -> Any:
    """The receipt, or None for none. Raises the error of a node that refuses to tell."""
    if isinstance(receipt, RpcError):
        raise receipt
    return receipt


LOOKED_UP = "the transaction is open: it is looked up, and the same one is sent again if the chain does not have it"
SENT_AGAIN = "the chain has lost the transaction, and the same one is sent again"
_ASKED = "the custodial engine is asked once more"
_NO_ENGINE = "the custodial engine would make it again, and the environment does not say where it is (`custodial`)"


def on_chain(step: str, first: str, *, further: str | None = None, arrived: str = "") -> Judge:
    """A judge for what a transaction of the run, or a request to the custodial engine, does.

    ``first`` says what is done for people to whom nothing was sent. When a transaction has arrived, and what it did is gone
    since, another one is sent if ``further`` says so in words; else ``arrived`` is the reason why not.
    """

    def judge(context: RunContext, people: Sequence[Person], problems: Mapping[int, str]) -> dict[int, Decision]:
        traits = context.scenario.backend.traits
        if traits.custodial:
            engine = context.services.environment.custodial is not None
            decision: Decision = MadeAgain(step, _ASKED) if engine else LeftAlone(_NO_ENGINE)
            return dict.fromkeys((person.id for person in people), decision)
        return {person: decided(one) for person, one in sent(context, step, people).items()}

    def decided(one: LastSent) -> Decision:
        match one.fate:
            case SentFate.MINED:
                return MadeAgain(step, further, one.following) if further else LeftAlone(arrived)
            case SentFate.LOST:
                return MadeAgain(step, SENT_AGAIN, one.purpose)
            case SentFate.OPEN:
                return MadeAgain(step, LOOKED_UP, one.purpose)
            case SentFate.NEVER:
                return MadeAgain(step, first, one.purpose)

    return judge
