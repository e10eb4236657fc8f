"""What the custodial backends share: the engine registers accounts, gives them gas and triggers the faucet by itself.

The chain is asked until it shows the result. An account that the engine has made is not registered yet, and one that is
registered has neither gas nor the faucet's tokens yet. A transaction that fails on the chain is not reported by the engine
and not tried again by it, so it is asked for once more before people are given up.
"""

import threading
from collections.abc import Callable, Sequence

from cicscenario.capabilities.backend import Backend, BackendPart
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.step import Executor, Lane
from cicscenario.capabilities.waiting import Awaited, WaitExecutor
from cicscenario.chain.abi import pack, to_hex, word
from cicscenario.chain.contracts import HAVE, eth_call
from cicscenario.connections import Service
from cicscenario.people.person import Person

#: Asks the engine to do something with these accounts.
EngineTask = Callable[[Sequence[bytes]], None]

_ADVICE = "do the engine's tracker and dispatcher run?"

REGISTRATION = BackendPart("wait for the engine to register each account", Lane.SERVICE, (Service.CHAIN,))
GAS = BackendPart("wait for the engine to give gas", Lane.SERVICE, (Service.CHAIN,))
FAUCET = BackendPart("wait for the engine to trigger the faucet", Lane.SERVICE, (Service.CHAIN,))

PATIENCE = {
    "description": "Seconds that nothing may move while the custodial engine is waited for. After half of them it is asked"
    " once more to register and gift those who wait; after all of them waiting is given up, and a later run goes on."
    " `cic_eth` and `cic_ussd` only.",
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 86400,
    "default": 120,
    "examples": [30],
    "x-since": "0.1.0",
}


class CustodialBackend(Backend):
    """Waits for the engine. Subclasses give people their accounts."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._mutex = threading.Lock()
        self._asked_again: set[tuple[str, int]] = set()

    def registration_failed(self, people: Sequence[Person]) -> dict[int, str]:
        """Why accounts will never be registered, for those of whom that is known."""
        return {}

    def registration(self, step: str) -> Executor:
        return self._wait(self._registered, "is not in the accounts index", self.register_again)

    def gas(self, step: str) -> Executor:
        return self._wait(self._has_gas, "has no gas", self.gift_again)

    def faucet(self, step: str) -> Executor:
        return self._wait(self._used_faucet, "has not used the faucet", self.gift_again)

    def register_again(self, people: Sequence[Person]) -> bool:
        """Asks once more for the registration of those for whom that was not done in this run; says whether of anybody."""
        return self._ask_again("register", people, lambda accounts: self._context.services.custodial.register(accounts))

    def gift_again(self, people: Sequence[Person]) -> bool:
        """The same for gas and faucet, which are one task of the engine."""
        return self._ask_again("gift", people, lambda accounts: self._context.services.custodial.gift(accounts))

    def _wait(
        self,
        look: Callable[[Sequence[Person]], list[bool]],
        missing: str,
        repeat: Callable[[Sequence[Person]], bool],
    ) -> Executor:
        return WaitExecutor(self._context, Awaited(look, missing, _ADVICE, self.registration_failed, repeat))

    def _ask_again(self, what: str, people: Sequence[Person], ask: EngineTask) -> bool:
        """Asks for those who were not asked for yet in this run; says whether there were any.

        What was done meanwhile is not done twice: the contracts refuse it. Nobody is asked for when the environment does not
        say where the engine is.
        """
        if self._context.services.environment.custodial is None:
            return False
        with self._mutex:
            new = [person for person in people if (what, person.id) not in self._asked_again]
            self._asked_again |= {(what, person.id) for person in new}
        if new:
            ask([person.account for person in new])
        return bool(new)

    # --- what the chain shows -------------------------------------------------------------------------------------

    def _registered(self, people: Sequence[Person]) -> list[bool]:
        chain = self._context.services.chain
        index = chain.contracts.accounts_index
        answers = chain.rpc.calls([eth_call(index, pack(HAVE, person.account)) for person in people])
        return [word(answer) == 1 for answer in answers]

    def _has_gas(self, people: Sequence[Person]) -> list[bool]:
        rpc = self._context.services.chain.rpc
        answers = rpc.calls([("eth_getBalance", [to_hex(person.account), "latest"]) for person in people])
        return [int(answer, 16) > 0 for answer in answers]

    def _used_faucet(self, people: Sequence[Person]) -> list[bool]:
        chain = self._context.services.chain
        faucet = chain.contracts.faucet
        if faucet is None:
            return [True] * len(people)  # there is nothing that the engine could trigger
        answers = chain.rpc.calls([eth_call(faucet.address, pack(faucet.probe, p.account)) for p in people])
        return [faucet.used(answer) for answer in answers]
