"""Has the account native currency to pay fees with?"""

from collections.abc import Sequence

from cicscenario.chain.abi import to_hex
from cicscenario.checks.base import Check, CheckContext, Verifier, account
from cicscenario.state.store import PersonRow


def _verifier(context: CheckContext) -> Verifier:
    def verify(people: Sequence[PersonRow]) -> dict[int, str]:
        answers = context.chain.rpc.calls([("eth_getBalance", [to_hex(account(p)), "latest"]) for p in people])
        return {
            p.id: "has no native currency for fees"
            for p, answer in zip(people, answers, strict=True)
            if int(answer, 16) == 0
        }

    return verify


CHECK = Check("gas", "the account has native currency for fees", lambda scenario: scenario.gas > 0, _verifier)
