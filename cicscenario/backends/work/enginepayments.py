"""Asks the custodial engine to transfer tokens between the accounts of people whose keys it holds."""

import math
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence

from cicscenario.backends.work.losttasks import LostTasks
from cicscenario.backends.work.paymentservice import (
    Declined,
    Gone,
    HasTransaction,
    Order,
    PaymentService,
    Said,
    UnderWay,
)
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.stall import Movement
from cicscenario.chain.abi import to_hex
from cicscenario.errors import StepFailedError
from cicscenario.payments.payment import Payment
from cicscenario.people.person import checksum
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.meaning import only_locked
from cicscenario.services.custodial.outcome import Failed, Transferred
from cicscenario.services.custodial.transfers import TransferOutcome, TransferRequest

_ANSWER = 3.0  # seconds in which an engine at work answers a question
_WELL_FOR = 5.0  # seconds until it is asked again whether it can sign


class EnginePayments(PaymentService):
    """``most`` requests may be under way. ``movements`` and ``shown`` are the backend's."""

    name = "the custodial engine"

    def __init__(
        self, context: RunContext, most: int, movements: Sequence[Movement], shown: Callable[[], str], patience: float
    ) -> None:
        self._context = context
        self._engine = context.services.custodial
        self._transfers = self._engine.transfers()
        self._movements = movements
        self._shown = shown
        self.most = most
        self.patience = patience
        self._lost = LostTasks(lambda: self._engine.unwell(_ANSWER), context.clock, patience)
        self._well_until = -math.inf
        self._is_known = False  # whether the engine knows the token

    def movements(self) -> Sequence[Movement]:
        return self._movements

    def unwell(self) -> str | None:
        """A transfer that cannot be signed would leave a nonce of the payer unused. Raises StepFailedError for another token."""
        now = self._context.clock()
        if now < self._well_until:
            return None
        if (why := self._engine.unwell()) is None:
            self._require_token()
            self._well_until = self._context.clock() + _WELL_FOR
        return why

    def _require_token(self) -> None:
        token = self._context.services.chain.contracts.token
        if self._is_known:
            return
        if (found := self._engine.token_address(token.symbol)) != token.address:
            raise StepFailedError(
                f"for the symbol {token.symbol} the custodial engine transfers the token {to_hex(found)}, and the gifts are of"
                f" {to_hex(token.address)}; no payment was asked for",
                hint="choose a token in `gift.token` that the token index has under its symbol",
            )
        self._is_known = True

    def new_id(self, payment: Payment) -> str:
        return str(uuid.uuid4())

    def began_earlier(self, ids: Collection[str]) -> None:
        self._lost.began_earlier(ids)

    def send(self, orders: Sequence[Order]) -> None:
        symbol = self._context.services.chain.contracts.token.symbol
        self._transfers.submit([TransferRequest(one.id, one.payer, one.payee, one.units, symbol) for one in orders])

    def look(self, orders: Sequence[Order]) -> Mapping[str, Said]:
        ends = self._transfers.outcomes([one.id for one in orders])
        gone = self._lost.among(ends)
        alone = self._locked_alone(orders, ends)
        found: dict[str, Said] = {}
        for request, end in ends.items():
            if isinstance(end, Transferred):
                found[request] = HasTransaction(end.hash)
            elif request in alone:
                found[request] = Declined(alone[request].advised)
            elif isinstance(end, Failed):
                found[request] = Declined(end.advised, stops=_is_general(end))
                self._well_until = -math.inf
            else:
                found[request] = Gone(end.why) if request in gone else UnderWay(end.why)
        return found

    def _locked_alone(self, orders: Sequence[Order], ends: Mapping[str, TransferOutcome]) -> dict[str, Failed]:
        """Those that fail because of a lock of the payer's account alone, by request: others are not locked."""
        found = {one: end for one in orders if isinstance(end := ends.get(one.id), Failed) and end.is_locked}
        if not found or not self._engine.is_open(tasks.QUEUE_LOCK, _ANSWER):
            return {}
        spec = str(self._context.services.spec)
        return {one.id: only_locked(end, checksum(one.payer), spec) for one, end in found.items()}

    def shown(self) -> str:
        return self._shown()


def _is_general(failed: Failed) -> bool:
    """Whether requests of others would fail as well: each would leave a nonce unused, or is locked."""
    return failed.unsigned or failed.task != tasks.TRANSFER
