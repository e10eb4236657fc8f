"""Is the account registered in the accounts index?"""

from collections.abc import Sequence

from cicscenario.chain.abi import pack, word
from cicscenario.chain.contracts import HAVE, eth_call
from cicscenario.checks.base import Check, CheckContext, Verifier, account, on_chain
from cicscenario.connections import Service
from cicscenario.state.store import PersonRow


def _verifier(context: CheckContext) -> Verifier:
    index = context.services.chain.contracts.accounts_index

    def verify(people: Sequence[PersonRow]) -> dict[int, str]:
        answers = context.services.chain.rpc.calls([eth_call(index, pack(HAVE, account(p))) for p in people])
        return {
            p.id: "not registered in the accounts index"
            for p, answer in zip(people, answers, strict=True)
            if word(answer) != 1
        }

    return verify


CHECK = Check("accounts_index", "the account is in the accounts index", on_chain, _verifier, (Service.CHAIN,))
