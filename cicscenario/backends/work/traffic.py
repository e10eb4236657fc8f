"""Has people pay each other, each with their own key, in rounds, and says who has made all of their payments."""

from collections.abc import Sequence

from cicscenario.backends.work.payeroutcomes import PAGE, PayerOutcomes, accounts_in, begin
from cicscenario.backends.work.paymentpace import PaymentPace
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.cost import Need, Pending, amount
from cicscenario.capabilities.executor import Batch, Result, Wait
from cicscenario.capabilities.payments import (
    PAYMENTS,
    PlannedPayments,
    payment_intent,
    payments_in,
    payments_of,
    purpose_of,
)
from cicscenario.capabilities.rounds import Rounds
from cicscenario.chain.abi import revert_reason, to_hex
from cicscenario.chain.intent import Intent
from cicscenario.chain.reading import as_numbers, on_this_chain
from cicscenario.chain.rpc import Call, RpcError
from cicscenario.chain.session import PATIENCE, ChainSession
from cicscenario.chain.wallets import OwnPart
from cicscenario.errors import StepFailedError, UnavailableError
from cicscenario.invocation import going_on
from cicscenario.payments.payment import Payment
from cicscenario.state.rows import LedgerRow
from cicscenario.wording import counted

GAS_LIMIT = 120_000  #: of a payment: twice what a transfer to an account without tokens needs, and enough for demurrage


class TrafficExecutor:
    """The executor of the step. Its batch is everybody; people who pay nobody are done at once."""

    def __init__(self, context: RunContext, step: str) -> None:
        self._context = context
        self._step = step

    def __call__(self, batch: Batch) -> Result:
        plan = payments_in(self._context)
        begin(self._context, plan)
        _Session(self._context, self._step, plan, batch).carry_out()
        return batch.result


class _Session:
    """The payments that are left, in one run of the step."""

    def __init__(self, context: RunContext, step: str, plan: PlannedPayments, batch: Batch) -> None:
        assert context.ledger is not None
        self._context = context
        self._step = step
        self._plan = plan
        self._ledger = context.ledger
        self._contracts = context.services.chain.contracts
        self._result = batch.result
        self._tally = PayerOutcomes(plan, batch)
        self._accounts = accounts_in(context, plan)
        self._gas = 0

    def carry_out(self) -> None:
        rounds = Rounds(self._plan, self._plan.gifts, self._settled)
        pace = PaymentPace(self._context, self._result)
        while not self._context.stopping.is_set():
            ready = rounds.next_round(max(1, pace.due()))
            for payment in rounds.take_earlier():
                self._tally.made(payment)
            if not ready:
                break
            self._gas = self._gas or self._open(ready)
            if not pace.wait():
                return
            pace.sent(len(ready))
            for payment, why in self._send(ready):
                if why is None:
                    rounds.paid(payment)
                    self._tally.made(payment)
                else:
                    rounds.failed(payment)
                    self._tally.fail(payment.payer, why)
        else:
            return
        self._tally.end(rounds.waiting)

    # --- a round ------------------------------------------------------------------------------------------------------

    def _settled(self, payments: Sequence[Payment]) -> set[int]:
        """Those that were carried out before, or refused as they should be."""
        last = self._last(payments)
        return {payment.number for payment in payments if _is_done(payment, last.get(purpose_of(payment.number)))}

    def _send(self, payments: Sequence[Payment]) -> list[tuple[Payment, str | None]]:
        """Sends these payments, and waits for them. Gives each with None when it is as it should be, else why it is not."""
        parts = [OwnPart(purpose_of(one.number), self._intent(one), to_fail=one.refused) for one in payments]
        self._result.wait = self._wait
        self._ledger.begin_own(parts, self._gas).wait()
        self._result.wait = None
        last = self._last(payments)
        return [(payment, _problem(payment, last.get(purpose_of(payment.number)))) for payment in payments]

    def _intent(self, payment: Payment) -> Intent:
        return payment_intent(self._plan, payment, self._contracts, self._accounts[payment.payee])

    def _last(self, payments: Sequence[Payment]) -> dict[str, LedgerRow]:
        """The last transaction of each payment that has one."""
        rows = self._context.state.parts_sent([purpose_of(payment.number) for payment in payments])
        failed = {row.purpose: row for row in rows}
        return failed | {row.purpose: row for row in rows if row.status != "failed"}

    def _wait(self) -> Wait:
        seconds, seen = self._ledger.standing()
        return Wait("payments to be mined", seconds, PATIENCE, seen)

    # --- before the first one -----------------------------------------------------------------------------------------

    def _open(self, ready: Sequence[Payment]) -> int:
        """The gas limit of payments. Raises StepFailedError when one would fail, or when people cannot pay for their gas."""
        first = next((payment for payment in ready if not payment.refused), None)
        gas = max(GAS_LIMIT, self._estimate(first)) if first else GAS_LIMIT
        self._require_gas(gas)
        return gas

    def _estimate(self, payment: Payment) -> int:
        chain, state = self._context.services.chain, self._context.state
        payer, intent = self._accounts[payment.payer], self._intent(payment)
        try:
            return chain.estimate(intent, state.height, self._context.stopping, sender=payer)
        except RpcError as error:
            if not error.is_revert:
                raise
            raise StepFailedError(
                f"{self._step} would fail: {to_hex(intent.to)} on {chain.rpc.name} rejects payment {payment.number} of person"
                f" {payment.payer} ({to_hex(payer)}): {revert_reason(error.data) or error.text}; none was sent",
                hint=f"does the account have its gift, and enough native currency? {going_on('verify')} tells",
            ) from None

    def _require_gas(self, gas: int) -> None:
        """Holds what each payer has of native currency against what their payments still need."""
        chain = self._context.services.chain
        left = list(self._plan.made)
        for _, person, _ in self._context.state.parts_ended(self._step):
            left[person] -= 1
        payers = [person for person, number in enumerate(left) if number > 0]
        for start in range(0, len(payers), PAGE):
            part = payers[start : start + PAGE]
            calls: list[Call] = [("eth_getBalance", [to_hex(self._accounts[person]), "latest"]) for person in part]
            found = as_numbers(chain.rpc, calls, on_this_chain(chain.rpc, calls, self._context.stopping))
            for person, held in zip(part, found, strict=True):
                if held < (needed := left[person] * gas * chain.gas_price):
                    raise UnavailableError(
                        f"{self._step}: person {person} ({to_hex(self._accounts[person])}) has {held:,} wei for the gas of"
                        f" {counted(left[person], 'payment')}, which may need {needed:,} wei; none was sent",
                        hint="send native currency to this account, or wait until gas is cheaper"
                        f" ({chain.gas_price:,} wei now), and run the same command again",
                    )


def _is_done(payment: Payment, row: LedgerRow | None) -> bool:
    return row is not None and row.status == ("failed" if payment.refused else "mined")


def _problem(payment: Payment, row: LedgerRow | None) -> str | None:
    """What is wrong with a payment that has ended; None when it is as it should be."""
    if _is_done(payment, row):
        return None
    if row is None:
        return f"payment {payment.number} was not sent"
    if payment.refused:
        return f"payment {payment.number} asked for more than person {payment.payer} had, and was not refused"
    return f"payment {payment.number}: {row.detail or row.status}"


def transactions_left(pending: Pending) -> int:
    """The number of payments that are not known to have ended as they should."""
    plan = payments_of(pending.scenario, pending.population, pending.size)
    if pending.state is None or PAYMENTS not in pending.state.meta():
        return plan.spec.payments
    refused = {payment.number for payment in plan if payment.refused} if plan.refused else set()
    if asked := pending.state.payments_done():
        return plan.spec.payments - len(asked)
    ended = {number for number, _, mined in pending.state.parts_ended(pending.step) if mined != (number in refused)}
    return plan.spec.payments - len(ended)


def needs(pending: Pending, session: ChainSession) -> list[Need]:
    """What the payments need: enough gas for the person who pays most often, and a token whose balances stay."""
    plan = payments_of(pending.scenario, pending.population, pending.size)
    person, number = plan.busiest
    needed = number * GAS_LIMIT * session.gas_price
    hint = f"set `gas: {needed}` in the scenario: people pay for the gas of their payments"
    return [
        amount(f"`gas` for {counted(number, 'payment')} of person {person}", needed, pending.scenario.gas, "wei", hint),
        *token_needs(session),
    ]


def token_needs(session: ChainSession) -> list[Need]:
    """A token whose balances stay: what people have must not depend on the time."""
    token = session.contracts.token
    if token.decay is None:
        return []
    hint = "leave `traffic` out, or choose another token in `gift.token`"
    return [Need(f"balances of {token.symbol} that stay", "yes", "no, they shrink", ok=False, hint=hint)]


def most_gas(pending: Pending) -> tuple[int, int]:
    """The person who pays most often, and the gas that these payments may need."""
    person, number = payments_of(pending.scenario, pending.population, pending.size).busiest
    return person, number * GAS_LIMIT
