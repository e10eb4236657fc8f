"""The check accounts_index: the account is registered in the accounts index."""

from collections.abc import Sequence

from cicscenario.capabilities.check import ON_CHAIN, Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.abi import pack, word
from cicscenario.chain.contracts import HAVE, eth_call
from cicscenario.connections import Service
from cicscenario.people.person import Person


def _verifier(context: RunContext) -> Verifier:
    index = context.services.chain.contracts.accounts_index

    def verify(people: Sequence[Person]) -> dict[int, str]:
        answers = context.services.chain.rpc.calls([eth_call(index, pack(HAVE, p.account)) for p in people])
        return {
            p.id: "not registered in the accounts index"
            for p, answer in zip(people, answers, strict=True)
            if word(answer) != 1
        }

    return verify


CHECK = Check("accounts_index", "the account is in the accounts index", (ON_CHAIN,), _verifier, (Service.CHAIN,))
