"""A step: a small amount of native currency, sent by the run's signer to everybody as a welcome."""

from collections.abc import Sequence

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.cost import Cost, Need, Pending, not_asked
from cicscenario.capabilities.executor import Executor
from cicscenario.capabilities.sending import TransactionExecutor
from cicscenario.capabilities.step import Lane, Part, Step
from cicscenario.chain.intent import Intent
from cicscenario.connections import Service
from cicscenario.language import Scenario
from cicscenario.people.person import Person

AMOUNT = 12_345  #: wei


class WelcomeCost(Cost):
    """What the signer sends along with each transaction."""

    def native(self, scenario: Scenario) -> int:
        return AMOUNT

    def offline_needs(self, pending: Pending) -> Sequence[Need]:
        return [not_asked("native currency for welcomes", needed=pending.left * AMOUNT, unit="wei")]


def _welcome(context: RunContext, person: Person) -> Intent:
    return Intent(person.id, person.account, value=AMOUNT)


def _executor(context: RunContext, step: str) -> Executor:
    return TransactionExecutor(context, step, _welcome)


PART = Part("send everybody a welcome", Lane.CHAIN, _executor, (Service.CHAIN,), WelcomeCost(gas=21_000))
STEP = Step("welcome", lambda scenario: PART, after=("accounts",))
