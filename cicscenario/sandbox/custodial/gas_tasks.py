"""Tasks about the gas that accounts need, with cic-eth's names, arguments, results and errors. Amounts are in wei."""

from collections.abc import Sequence

from celery import Celery, Task

from cicscenario.chain.signer import Signed
from cicscenario.sandbox.custodial import names
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.counters import FaultCounters
from cicscenario.sandbox.custodial.database import GIFTER
from cicscenario.sandbox.custodial.errors import OutOfGasError, SeppukuError
from cicscenario.sandbox.custodial.signing import GAS_LIMIT, GAS_PRICE, TransactionSigner
from cicscenario.sandbox.custodial.tasks import Spec, check_chain, is_address, normal
from cicscenario.sandbox.custodial.transaction_tasks import child, send_group

# Source: cic-eth's ``eth.ini`` and ``tasker.py``, and recordings of cic-eth 0.12.10 with ETH_MIN_FEE_PRICE=1.
_MINIMUM = 180_000
_LOW = 3 * _MINIMUM  # less is filled up before it is needed
REFILL = (15 * _MINIMUM + GAS_LIMIT) * (1 + 20)  #: what a gift of gas is, besides what is needed at once


def add_to(app: Celery) -> None:
    """Registers the tasks."""
    context: EngineContext = app.engine_context
    _add_check(app, context)
    _add_refill(app, context, TransactionSigner(context), app.fault_counters)


def _balance(context: EngineContext, address: str) -> int:
    return int(context.rpc.call("eth_getBalance", f"0x{address}", "latest"), 16)


def _add_check(app: Celery, context: EngineContext) -> None:
    @app.task(name=names.CHECK_GAS, bind=True, throws=(OutOfGasError,))  # type: ignore[untyped-decorator]
    def check_gas(
        self: Task,
        tx_hashes: Sequence[str],
        spec: Spec,
        txs: Sequence[str],
        address: str,
        gas_required: int | None = GAS_LIMIT * GAS_PRICE,
    ) -> list[str]:
        """Marks transactions as ready, or has gas sent to their sender first and raises OutOfGasError."""
        check_chain(context, spec)
        if not is_address(address):
            raise ValueError(f"invalid address {address}")
        required = GAS_LIMIT * GAS_PRICE if gas_required is None else gas_required
        balance = _balance(context, normal(address))
        if balance < max(required, _LOW):
            refill = child(self, names.REFILL_GAS, spec, immediate_gas=required)
            gifter = context.database.role(GIFTER)
            reserve = child(self, names.RESERVE_NONCE, f"0x{normal(address)}", spec, gifter)
            reserve.link(refill)
            reserve.apply_async()
        next_task = names.SET_WAITFORGAS if balance < required else names.SET_READY
        send_group(self, next_task, [(spec, normal(tx_hash)) for tx_hash in tx_hashes])
        if balance < required:
            raise OutOfGasError(f"need to fill gas, required {required}, had {balance}")
        return [normal(tx) for tx in txs]


def _add_refill(app: Celery, context: EngineContext, signer: TransactionSigner, counters: FaultCounters) -> None:
    @app.task(name=names.REFILL_GAS, bind=True)  # type: ignore[untyped-decorator]
    def refill_gas(self: Task, recipient: str, spec: Spec, immediate_gas: int = 0) -> str:
        """Sends gas to an account. While a gift is on its way, a second one is only what is needed at once.

        Raises SeppukuError when the gas gifter's balance is less than one gift.
        """
        check_chain(context, spec)
        account, gifter = normal(recipient), normal(context.database.role(GIFTER))
        if _balance(context, gifter) < REFILL:
            raise SeppukuError(f"Noooooooooooo; gas gifter {gifter} is broke!")

        def sign(nonce: int) -> Signed:
            counters.before_refill()
            amount = immediate_gas + (0 if context.database.is_filling(account) else REFILL)
            return signer.sign(gifter, nonce, bytes.fromhex(account), value=amount)

        with context.database.alone(account):  # else two at once would both see that none is on its way
            signed = context.database.add_reserved(self.request.root_id, "gas", account, gifter, sign)
        child(self, names.CACHE_GAS_DATA, signed.hash.hex(), signed.raw.hex(), spec).apply_async()
        child(self, names.SET_READY, spec, f"0x{signed.hash.hex()}").apply_async()
        return signed.raw.hex()
