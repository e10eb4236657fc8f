"""Has the account native currency to pay fees with?"""

from collections.abc import Sequence

from cicscenario.chain.abi import to_hex
from cicscenario.checks.base import Check, CheckContext, Verifier, account
from cicscenario.connections import Service
from cicscenario.language import Scenario
from cicscenario.state.store import PersonRow


def _verifier(context: CheckContext) -> Verifier:
    def verify(people: Sequence[PersonRow]) -> dict[int, str]:
        answers = context.services.chain.rpc.calls([("eth_getBalance", [to_hex(account(p)), "latest"]) for p in people])
        return {
            p.id: "has no native currency for fees"
            for p, answer in zip(people, answers, strict=True)
            if int(answer, 16) == 0
        }

    return verify


def _applies(scenario: Scenario) -> bool:
    return scenario.backend.custodial or (scenario.backend.kind == "eth" and scenario.gas > 0)


CHECK = Check("gas", "the account has native currency for fees", _applies, _verifier, (Service.CHAIN,))
