"""An executor that sends one transaction per person through the ledger."""

import threading
from collections.abc import Callable, Collection, Sequence

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Result, Wait
from cicscenario.chain.abi import revert_reason, to_hex
from cicscenario.chain.follower import PLAIN_TRANSFER_GAS
from cicscenario.chain.gaslimit import gas_limit
from cicscenario.chain.intent import Intent
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.session import PATIENCE
from cicscenario.chain.trace import ancestor
from cicscenario.errors import StepFailedError
from cicscenario.invocation import going_on
from cicscenario.people.person import Person
from cicscenario.retry import pause
from cicscenario.state.rows import Outcome

_LOOK_AGAIN = 0.5  # seconds between looks at a chain that went back
#: Makes one person's transaction, or None when this person needs none.
Maker = Callable[[RunContext, Person], Intent | None]


class TransactionExecutor:
    """Sends the transactions of one purpose. The gas limit is estimated once, from the first transaction.

    A transaction that failed, and for which the node now estimates more gas than its limit, is followed by another with a limit
    that is enough: the contract has not refused it. The ledger ensures that only one of the two can be carried out.
    """

    def __init__(self, context: RunContext, purpose: str, make: Maker) -> None:
        self._context = context
        self._purpose = purpose
        self._make = make
        self._mutex = threading.Lock()
        self._gas = 0

    def __call__(self, batch: Batch) -> Result:
        intents = []
        for person in batch.people:
            intent = self.intent(person)
            if intent is None:
                batch.result.done(person.id, "nothing to send")
            else:
                intents.append(intent)
        if intents and not self._context.stopping.is_set():
            if self._context.ledger is None:
                raise AssertionError("a plan that sends transactions must have a ledger")
            batch.result.wait = self._wait
            self._send(batch.result, self._context.ledger, self._by_purpose(intents))
            batch.result.wait = None
        return batch.result

    def _send(self, result: Result, ledger: Ledger, sent: Sequence[tuple[str, Sequence[Intent]]]) -> None:
        """Sends, and adds how each has ended; those that lacked gas are sent once more, with a higher limit."""
        for last in (False, True):
            tickets = [ledger.begin(purpose, intents, self._gas_limit) for purpose, intents in sent]
            failed: list[Outcome] = []
            try:
                for ticket in tickets:
                    for outcome in ticket.each():
                        if outcome.ok or last:
                            result.add([outcome])
                        else:
                            failed.append(outcome)
                people = {outcome.person for outcome in failed}
                sent = [(p, short) for p, those in sent if (short := self._short_of_gas(p, those, people))]
            except BaseException:
                result.add(failed)
                raise
            again = {intent.person for _, intents in sent for intent in intents}
            result.add(outcome for outcome in failed if outcome.person not in again)
            if not again:
                return

    def _short_of_gas(self, purpose: str, intents: Sequence[Intent], people: Collection[int]) -> list[Intent]:
        """Those of these people whose last transaction had a gas limit below what the node estimates now; raises the limit."""
        intents = [intent for intent in intents if intent.person in people and intent.data]
        if not intents or self._context.stopping.is_set():
            return []
        chain, state = self._context.services.chain, self._context.state
        had = {row.person: row.gas for row in state.failed_transactions(purpose, [one.person for one in intents])}
        found = chain.estimates(intents, state.height, self._context.stopping)
        needs = [
            gas if isinstance(gas, int) and gas > had.get(one.person, gas) else 0
            for one, gas in zip(intents, found, strict=True)
        ]
        if not any(needs):
            return []
        most, intent = max(zip(needs, intents, strict=True), key=lambda pair: pair[0])
        with self._mutex:
            self._gas = max(self._gas, min(gas_limit(intent, most, None), chain.block_gas_limit))
        return [one for one, gas in zip(intents, needs, strict=True) if gas]

    def _wait(self) -> Wait:
        assert self._context.ledger is not None
        seconds, seen = self._context.ledger.standing()
        return Wait("transactions to be mined", seconds, PATIENCE, seen)

    def _by_purpose(self, intents: Sequence[Intent]) -> list[tuple[str, list[Intent]]]:
        """The transactions with their purpose: that of the step, but for people for whom a repair sends a further one."""
        found: dict[str, list[Intent]] = {}
        for intent in intents:
            found.setdefault(self._context.redo.purpose(self._purpose, intent.person), []).append(intent)
        return list(found.items())

    def intent(self, person: Person) -> Intent | None:
        """The transaction for a person who has an account, or None when this person needs none."""
        return self._make(self._context, person)

    def _gas_limit(self, intent: Intent) -> int:
        if not intent.data:
            return PLAIN_TRANSFER_GAS
        with self._mutex:
            if not self._gas:
                self._gas = self._estimate(intent)
            return self._gas

    def _estimate(self, intent: Intent) -> int:
        """Raises StepFailedError when the transaction would fail, once what it depends on is known to be on the chain."""
        began, settled = self._context.clock(), False
        while True:
            try:
                return self._context.services.chain.estimate(intent, self._context.state.height, self._context.stopping)
            except RpcError as error:
                if not error.is_revert:
                    raise
                if settled or self._context.clock() - began > PATIENCE:
                    raise self._would_fail(intent, error) from None
            settled = self._is_settled(intent.person)
            if not settled:
                pause(_LOOK_AGAIN, self._context.stopping)

    def _is_settled(self, person: int) -> bool:
        """Whether the person's earlier transactions are on the chain. After it went back, they are sent again first."""
        chain, state = self._context.services.chain, self._context.state
        if ancestor(chain.rpc, state.trace()) is not None:
            return False
        return all(row.person != person for row in state.outstanding(chain.signer.address))

    def _would_fail(self, intent: Intent, error: RpcError) -> StepFailedError:
        chain = self._context.services.chain
        return StepFailedError(
            f"{self._purpose} would fail: {to_hex(intent.to)} on {chain.rpc.name} rejects the call by"
            f" 0x{chain.signer.address.hex()} for person {intent.person}: {revert_reason(error.data) or error.text}",
            hint=f"{going_on('plan')} shows the roles and funds that the signer needs",
        )
