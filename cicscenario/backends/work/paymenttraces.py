"""What has become of payments by phone that do not show on the chain: what the custodial engine has of them.

cic-ussd asks the engine under an id that nobody else knows. But each payer has one payment under way. So it is the transfer, to
its payee and of its amount, that the engine has made for the payer and that no other payment has; before it is signed, it is a
task with the payer's address in it. A payment of which the engine has neither, while it is at work, was not requested or is lost.
Before that counts, the interface answers once more: it handles one request at a time, so none of an earlier run is left in it.
"""

import math
from collections.abc import Collection, Sequence

from cicscenario.backends.work.losttasks import LostTasks
from cicscenario.backends.work.paymentservice import Gone, HasTransaction, Order, Said, UnderWay
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.madetransfers import MadeTransfer, transfers_by
from cicscenario.errors import UnavailableError
from cicscenario.services.custodial.outcome import Failed, Lost, Trace

_ANSWER = 3.0  # seconds in which an engine at work answers a question
_WELL_FOR = 5.0  # seconds until it is asked again whether it can sign
_UNSEEN_SHARE = 0.5  # of the patience, after which a payment counts as lost where the engine cannot be asked


class PaymentTraces:
    """Looks at the engine, if the environment says where it is. ``patience`` is in seconds."""

    def __init__(self, context: RunContext, patience: float) -> None:
        self._context = context
        self._services = context.services
        self._patience = patience
        self._lost = LostTasks(lambda: self._services.custodial.unwell(_ANSWER), context.clock, patience)
        self._earlier: dict[str, float] = {}  # requests of an earlier run, and since when they are looked at
        self._well_until = -math.inf

    @property
    def _sees_engine(self) -> bool:
        return self._services.environment.custodial is not None

    def unwell(self) -> str | None:
        """Why the engine cannot sign at present; None when it can, or cannot be asked."""
        now = self._context.clock()
        if not self._sees_engine or now < self._well_until:
            return None
        if (why := self._services.custodial.unwell()) is None:
            self._well_until = self._context.clock() + _WELL_FOR
        return why

    def began_earlier(self, ids: Collection[str]) -> None:
        """These requests are of an earlier run."""
        self._earlier |= dict.fromkeys(ids, self._context.clock())
        self._lost.began_earlier(ids)

    def look(self, orders: Sequence[Order]) -> dict[str, Said]:
        """What is seen of each payment, by the request's id."""
        if not orders:
            return {}
        try:
            self._services.ussd.check()
        except UnavailableError as error:
            return {one.id: UnderWay(error.message) for one in orders}
        return self._by_engine(orders) if self._sees_engine else {one.id: self._unseen(one) for one in orders}

    def _unseen(self, order: Order) -> Said:
        why = "whether the engine has it cannot be seen: add `custodial` to the environment file"
        since = self._earlier.get(order.id)
        if since is not None and self._context.clock() - since >= _UNSEEN_SHARE * self._patience:
            return Gone(why)
        return UnderWay(why)

    def _by_engine(self, orders: Sequence[Order]) -> dict[str, Said]:
        engine = self._services.custodial.account_transactions()
        payers = [one.payer for one in orders]
        waiting = engine.waiting(payers)  # before the engine's tables are read: a task may end in between
        listed = engine.of(payers, _ANSWER)
        taken = self._taken(orders)
        ends: dict[str, Lost] = {}
        found: dict[str, Said] = {}
        for one in orders:
            those = listed[one.payer]
            if isinstance(those, Failed | Lost):
                ends[one.id] = Lost(Trace.QUEUED, str(those))
            elif mine := [made for made in transfers_by(one.payer, those) if self._is(made, one, taken)]:
                found[one.id] = HasTransaction(mine[-1].hash)
            elif one.payer in waiting:
                ends[one.id] = Lost(Trace.QUEUED, "tasks for the payer wait for the custodial engine")
            else:
                ends[one.id] = Lost(Trace.UNKNOWN, "the custodial engine has nothing of it")
        gone = self._lost.among(ends)
        return found | {name: Gone(end.why) if name in gone else UnderWay(end.why) for name, end in ends.items()}

    def _is(self, made: MadeTransfer, order: Order, taken: Collection[bytes]) -> bool:
        token = self._services.chain.contracts.token.address
        return made.hash not in taken and (made.token, made.payee, made.amount) == (token, order.payee, order.units)

    def _taken(self, orders: Sequence[Order]) -> set[bytes]:
        """The transactions of other payments of these payers, and of earlier attempts."""
        rows = self._context.state.payments_by(sorted({one.payment.payer for one in orders}))
        mine = {one.id for one in orders}
        return {row.hash for those in rows.values() for row in those if row.hash and row.id not in mine}
