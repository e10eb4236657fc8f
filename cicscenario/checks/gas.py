"""The check gas: the account has native currency for fees."""

from collections.abc import Sequence

from cicscenario.capabilities.check import ON_CHAIN, Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.abi import to_hex
from cicscenario.connections import Service
from cicscenario.language import Condition
from cicscenario.people.person import Person


def _verifier(context: RunContext) -> Verifier:
    def verify(people: Sequence[Person]) -> dict[int, str]:
        answers = context.services.chain.rpc.calls([("eth_getBalance", [to_hex(p.account), "latest"]) for p in people])
        return {
            p.id: "has no native currency for fees"
            for p, answer in zip(people, answers, strict=True)
            if int(answer, 16) == 0
        }

    return verify


CHECK = Check(
    "gas",
    "the account has native currency for fees",
    (
        ON_CHAIN,
        Condition(
            lambda s: s.backend.traits.custodial or s.gas > 0,
            ("gas", "backend.kind"),
            "with `gas: 0`",
            "give people gas",
        ),
    ),
    _verifier,
    (Service.CHAIN,),
)
