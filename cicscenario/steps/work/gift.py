"""Sends each person's opening balance, and looks what the signer has to give."""

from collections.abc import Sequence

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.cost import Need, amount
from cicscenario.capabilities.executor import Executor
from cicscenario.capabilities.roles import PROBE_ADDRESS, role
from cicscenario.capabilities.sending import TransactionExecutor
from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import BALANCE_OF, MINT_TO, TRANSFER, eth_call
from cicscenario.chain.intent import Intent
from cicscenario.chain.reading import numbers
from cicscenario.chain.session import ChainSession
from cicscenario.language import Scenario
from cicscenario.people.person import Person


def executor(context: RunContext, step: str) -> Executor:
    """Sends one transaction for each person who gets a gift."""
    return TransactionExecutor(context, step, _intent)


def _intent(context: RunContext, person: Person) -> Intent | None:
    if not person.gift:
        return None
    token = context.services.chain.contracts.token
    function = MINT_TO if context.scenario.gift.method == "mint" else TRANSFER
    return Intent(person.id, token.address, pack(function, person.account, token.base_units(person.gift)))


def needs(scenario: Scenario, tokens: int, session: ChainSession) -> Sequence[Need]:
    """What the signer needs to give so many whole tokens, looked up on the chain."""
    token, signer = session.contracts.token, session.signer.address
    if scenario.gift.method == "mint":
        hint = f"make {to_hex(signer)} a minter of {to_hex(token.address)}"
        return [role(session, f"mint {token.symbol}", token.address, pack(MINT_TO, PROBE_ADDRESS, 1), hint)]
    (held,) = numbers(session.rpc, [eth_call(token.address, pack(BALANCE_OF, signer))])
    hint = f"send {token.symbol} to {to_hex(signer)}, or use `gift.method: mint`"
    return [amount(f"{token.symbol} to give", token.base_units(tokens), held, "base units", hint)]
