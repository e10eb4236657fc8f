"""A check: has the welcome arrived?"""

from collections.abc import Sequence

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.abi import to_hex
from cicscenario.connections import Service
from cicscenario.language import Condition
from cicscenario.people.person import Person
from cicscenario_example.step import AMOUNT


def _verifier(context: RunContext) -> Verifier:
    def verify(people: Sequence[Person]) -> dict[int, str]:
        rpc = context.services.chain.rpc
        answers = rpc.calls([("eth_getBalance", [to_hex(person.account), "latest"]) for person in people])
        return {
            person.id: f"has {int(answer, 16)} wei, expected {AMOUNT} or more"
            for person, answer in zip(people, answers, strict=True)
            if int(answer, 16) < AMOUNT
        }

    return verify


CHECK = Check(
    "welcomed",
    "the welcome has arrived",
    (
        Condition(
            lambda scenario: scenario.population.size != 1,
            ("population.size",),
            "with a population of one, whom nobody welcomes",
            "make the population larger",
        ),
    ),
    _verifier,
    (Service.CHAIN,),
)
