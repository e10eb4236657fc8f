"""The base of the custodial backends: waits while the engine registers accounts, gives gas and triggers the faucet.

The engine does these one after the other, and only the chain shows which is done, so the chain is polled. The engine
neither reports nor retries a transaction that fails on the chain. So the request is repeated once before people are
given up.
"""

import threading
from collections.abc import Callable, Sequence

from cicscenario.capabilities.backend import Backend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.descriptor import BackendPart
from cicscenario.capabilities.executor import Executor
from cicscenario.capabilities.step import Lane
from cicscenario.capabilities.waiting import Awaited, WaitExecutor
from cicscenario.chain.abi import pack, to_hex
from cicscenario.chain.contracts import HAVE, eth_call
from cicscenario.chain.reading import numbers
from cicscenario.connections import Service
from cicscenario.people.person import Person

#: Sends a request about these accounts to the engine.
EngineTask = Callable[[Sequence[bytes]], None]

_ADVICE = "do the engine's tracker and dispatcher run?"

REGISTRATION = BackendPart("wait for the engine to register each account", Lane.SERVICE, (Service.CHAIN,))
GAS = BackendPart("wait for the engine to give gas", Lane.SERVICE, (Service.CHAIN,))
FAUCET = BackendPart("wait for the engine to trigger the faucet", Lane.SERVICE, (Service.CHAIN,))

PATIENCE = {
    "description": "Time limit in seconds for waits without progress of the custodial engine (a stall timer). At half of it,"
    " the engine is asked once more to register the accounts and give gas; after it, the wait ends and a later run resumes."
    " `cic_eth` and `cic_ussd` only.",
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 86400,
    "default": 120,
    "examples": [30],
    "x-since": "0.1.0",
}


class CustodialBackend(Backend):
    """Waits for the engine. Subclasses create the accounts."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._mutex = threading.Lock()
        self._asked_again: set[tuple[str, int]] = set()

    def registration_failed(self, people: Sequence[Person]) -> dict[int, str]:
        """The people whose registration is known to have failed, with the reason."""
        return {}

    def registration(self, step: str) -> Executor:
        return self._wait(self._registered, "is not in the accounts index", self.register_again)

    def gas(self, step: str) -> Executor:
        return self._wait(self._has_gas, "has no gas", self.gift_again)

    def faucet(self, step: str) -> Executor:
        return self._wait(self._used_faucet, "has not used the faucet", self.gift_again)

    def register_again(self, people: Sequence[Person]) -> bool:
        """Repeats the registration request, once per person and run. Returns whether any request was sent."""
        return self._ask_again("register", people, lambda accounts: self._context.services.custodial.register(accounts))

    def gift_again(self, people: Sequence[Person]) -> bool:
        """The same for gas and the faucet, which are one task of the engine."""
        return self._ask_again("gift", people, lambda accounts: self._context.services.custodial.gift(accounts))

    def _wait(
        self,
        look: Callable[[Sequence[Person]], list[bool]],
        missing: str,
        repeat: Callable[[Sequence[Person]], bool],
    ) -> Executor:
        return WaitExecutor(self._context, Awaited(look, missing, _ADVICE, self.registration_failed, repeat))

    def _ask_again(self, what: str, people: Sequence[Person], ask: EngineTask) -> bool:
        """Sends the request for people who had no repeated request yet in this run. Returns whether there were any.

        If the engine did it meanwhile, the contracts reject the second transaction. Sends nothing when the environment has
        no `custodial` section.
        """
        if self._context.services.environment.custodial is None:
            return False
        with self._mutex:
            new = [person for person in people if (what, person.id) not in self._asked_again]
            self._asked_again |= {(what, person.id) for person in new}
        if new:
            ask([person.account for person in new])
        return bool(new)

    # --- look-ups on the chain ------------------------------------------------------------------------------------

    def _registered(self, people: Sequence[Person]) -> list[bool]:
        chain = self._context.services.chain
        index = chain.contracts.accounts_index
        return [has == 1 for has in numbers(chain.rpc, [eth_call(index, pack(HAVE, p.account)) for p in people])]

    def _has_gas(self, people: Sequence[Person]) -> list[bool]:
        rpc = self._context.services.chain.rpc
        calls = [("eth_getBalance", [to_hex(person.account), "latest"]) for person in people]
        return [wei > 0 for wei in numbers(rpc, calls)]

    def _used_faucet(self, people: Sequence[Person]) -> list[bool]:
        chain = self._context.services.chain
        faucet = chain.contracts.faucet
        if faucet is None:
            return [True] * len(people)  # without a faucet there is nothing to wait for
        calls = [eth_call(faucet.address, pack(faucet.probe, person.account)) for person in people]
        return [faucet.used(answer) for answer in numbers(chain.rpc, calls)]
