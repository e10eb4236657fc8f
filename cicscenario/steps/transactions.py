"""The steps that are one transaction a person: registration, gift, faucet, gas."""

import threading
from collections.abc import Callable

from cicscenario.chain.abi import pack, revert_reason, to_hex
from cicscenario.chain.contracts import ADD, GIVE_TO, MINT_TO, TRANSFER
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS
from cicscenario.chain.ledger import Intent
from cicscenario.chain.rpc import RpcError
from cicscenario.connections import Service
from cicscenario.errors import StepFailedError
from cicscenario.language import Scenario
from cicscenario.state.store import Outcome, PersonRow
from cicscenario.steps.base import Batch, Context, Lane, Result, Step, account

#: Makes one person's transaction, or None when there is nothing to send for them.
Maker = Callable[[Context, PersonRow], Intent | None]


class TransactionExecutor:
    """Sends one transaction a person through the ledger. The gas limit is asked of the node once, for the first."""

    def __init__(self, context: Context, purpose: str, make: Maker) -> None:
        self._context = context
        self._purpose = purpose
        self._make = make
        self._mutex = threading.Lock()
        self._gas = 0

    def __call__(self, batch: Batch) -> Result:
        made = [(person.id, self._make(self._context, person)) for person in batch.people]
        outcomes = [Outcome(person, ok=True, detail="nothing to send") for person, intent in made if intent is None]
        intents = [intent for _, intent in made if intent is not None]
        if intents:
            if self._context.ledger is None:
                raise AssertionError("a plan that sends transactions has a ledger")
            outcomes += self._context.ledger.send(self._purpose, intents, self._gas_limit)
        return Result(outcomes)

    def _gas_limit(self, intent: Intent) -> int:
        if not intent.data:
            return PLAIN_TRANSFER_GAS
        with self._mutex:
            if not self._gas:
                self._gas = self._estimate(intent)
            return self._gas

    def _estimate(self, intent: Intent) -> int:
        try:
            return self._context.services.chain.estimate(intent)
        except RpcError as error:
            if error.code != 3 and "revert" not in error.text:
                raise
            reason = revert_reason(error.data) or error.text
            raise StepFailedError(
                f"{self._purpose} would fail: {to_hex(intent.to)} on {self._context.services.chain.rpc.name} refuses"
                f" 0x{self._context.services.chain.signer.address.hex()} for person {intent.person}: {reason}",
                hint="see `cicscenario plan` for the roles and funds that the signer needs",
            ) from None


def registration_intent(context: Context, person: PersonRow) -> Intent:
    return Intent(person.id, context.services.chain.contracts.accounts_index, pack(ADD, account(person)))


def gift_intent(context: Context, person: PersonRow) -> Intent | None:
    if not person.gift:
        return None
    token = context.services.chain.contracts.token
    function = MINT_TO if context.scenario.gift.method == "mint" else TRANSFER
    return Intent(person.id, token.address, pack(function, account(person), token.base_units(person.gift)))


def faucet_intent(context: Context, person: PersonRow) -> Intent:
    faucet = context.services.chain.contracts.faucet
    if faucet is None:
        raise StepFailedError("the registry names no Faucet", hint="set `faucet: false` in the scenario")
    return Intent(person.id, faucet.address, pack(GIVE_TO, account(person)))


def gas_intent(context: Context, person: PersonRow) -> Intent:
    return Intent(person.id, account(person), value=context.scenario.gas)


def _step(
    name: str, make: Maker, applies: Callable[[Scenario], bool], summary: str, after: str = "registration"
) -> Step:
    return Step(
        name=name,
        lane=Lane.CHAIN,
        after=(after,),
        applies=applies,
        executor=lambda context: TransactionExecutor(context, name, make),
        summary=summary,
        services=(Service.CHAIN,),
    )


def _is_sovereign(scenario: Scenario) -> bool:
    return scenario.backend.kind == "eth"


def _gives(scenario: Scenario) -> bool:
    """Whether there is anything to give; people who exist already bring their opening balances with them."""
    given = scenario.gift.threshold > 0 or scenario.population.source is not None
    return scenario.backend.makes_accounts and scenario.gift.method != "none" and given


REGISTRATION = _step(
    "registration", registration_intent, _is_sovereign, "add each account to the accounts index", after="accounts"
)
GIFT = _step("gift", gift_intent, _gives, "send the opening balance")
FAUCET = _step("faucet", faucet_intent, lambda s: _is_sovereign(s) and s.faucet, "trigger the token faucet")
GAS = _step("gas", gas_intent, lambda s: _is_sovereign(s) and s.gas > 0, "give native currency for fees")
