"""What every way of paying does: keeps what identifies the payments, and says who has made all of theirs."""

from collections.abc import Iterable

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch
from cicscenario.capabilities.payments import PAYMENTS, PlannedPayments
from cicscenario.errors import StateRefusedError
from cicscenario.payments.payment import Payment
from cicscenario.wording import counted

PAGE = 1000  #: people who are read at a time


def begin(context: RunContext, plan: PlannedPayments) -> None:
    """Keeps what identifies the payments before the first one is sent. Raises StateRefusedError when it was another."""
    state = context.state
    held = state.meta().get(PAYMENTS)
    if held is None:
        state.set_meta({PAYMENTS: plan.identity})
    elif held != plan.identity:
        raise StateRefusedError(
            f"{state.path}: the payments that are planned now are not those that the run began with, so which of them"
            " were made cannot be told; none was sent",
            hint="go on with the cicscenario that began this run, or begin another with --dir or --fresh",
        )


def accounts_in(context: RunContext, plan: PlannedPayments) -> list[bytes]:
    """Each person's account. All have one: the steps before are done for everybody."""
    state = context.state
    return [
        person.account
        for first in range(0, plan.size, PAGE)
        for person in state.people(first, min(first + PAGE, plan.size))
    ]


class PaymentTally:
    """Counts the payments that have ended, and gives outcomes of people to the result of ``batch``.

    People who pay nobody are done at once; the others when all of their payments have ended as they should.
    """

    def __init__(self, plan: PlannedPayments, batch: Batch) -> None:
        self._plan = plan
        self._result = batch.result
        self._wanted = set(batch.ids)
        self._left = list(plan.made)  # payments that each person has still to make
        self._failed: dict[int, str] = {}
        for person in batch.ids:
            if not plan.made[person]:
                self._result.done(person, "no payment to make")

    def made(self, payment: Payment) -> None:
        """A payment has ended as it should."""
        payer = payment.payer
        self._left[payer] -= 1
        if not self._left[payer] and payer in self._wanted:
            self._result.done(payer, counted(self._plan.made[payer], "payment"))

    def fail(self, payer: int, why: str) -> None:
        """A payment has not. The first reason is told for each payer, and when ``end`` is called."""
        if payer in self._wanted:
            self._failed.setdefault(payer, why)

    def end(self, waiting: Iterable[Payment]) -> None:
        """Nothing more is sent in this run. ``waiting`` were not sent, since they depend on one that failed."""
        for payment in waiting:
            self.fail(payment.payer, f"payment {payment.number} waits for tokens of a payment that failed")
        for payer, why in self._failed.items():
            self._result.fail(payer, why)
