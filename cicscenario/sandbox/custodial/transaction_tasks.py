"""Tasks about registrations, the faucet's payouts and transfers of tokens, with cic-eth's names, arguments, results and errors.

A tree of tasks first reserves a nonce of the account that sends its transaction, and a later task of the tree signs with
it. A task that fails in between, or is lost, leaves a nonce that nobody uses.
"""

from collections.abc import Sequence
from typing import Any

from celery import Celery, Task
from kombu.utils.uuid import uuid

from cicscenario.chain.signer import Signed
from cicscenario.sandbox.custodial import names
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.counters import FaultCounters
from cicscenario.sandbox.custodial.database import WRITER, ZERO, add_otx
from cicscenario.sandbox.custodial.signing import GAS_LIMIT, GAS_PRICE, TransactionSigner
from cicscenario.sandbox.custodial.tasks import Spec, check_chain, is_address, normal


def add_to(app: Celery) -> None:
    """Registers the tasks."""
    context: EngineContext = app.engine_context
    signer = TransactionSigner(context)
    _add_nonces(app, context)
    _add_registration(app, context, signer, app.fault_counters)
    _add_gift(app, context, signer)
    _add_transfer(app, context, signer)
    _add_custom(app, context, signer)
    _add_states(app, context)


def _add_nonces(app: Celery, context: EngineContext) -> None:
    @app.task(name=names.RESERVE_NONCE, bind=True)  # type: ignore[untyped-decorator]
    def reserve_nonce(self: Task, chained: Any, spec: Spec, signer_address: str | None = None) -> Any:
        address = chained if signer_address is None else signer_address
        if signer_address is not None and not is_address(signer_address):
            address = context.database.role(signer_address)
        if not is_address(address):
            raise ValueError(f"invalid result when resolving address for nonce {address}")
        if (
            normal(address) != ZERO
        ):  # zeros are a role without an account; the task that needs the nonce raises the error
            context.database.reserve(self.request.root_id, normal(address))
        return chained


def _add_registration(app: Celery, context: EngineContext, signer: TransactionSigner, counters: FaultCounters) -> None:
    @app.task(name=names.REGISTER, bind=True)  # type: ignore[untyped-decorator]
    def register(self: Task, account: str, spec: Spec, writer_address: str | None = None) -> str:
        check_chain(context, spec)
        writer = normal(context.database.role(WRITER) if writer_address is None else writer_address)

        def sign(nonce: int) -> Signed:
            counters.before_registration()
            return signer.registration(writer, nonce, normal(account))

        signed = context.database.add_reserved(self.request.root_id, "register", normal(account), writer, sign)
        queue_transaction(self, spec, signed, writer, names.CACHE_ACCOUNT_DATA)
        return account


def _add_gift(app: Celery, context: EngineContext, signer: TransactionSigner) -> None:
    @app.task(name=names.GIFT, bind=True)  # type: ignore[untyped-decorator]
    def gift(self: Task, account: str, spec: Spec) -> list[str]:
        check_chain(context, spec)
        address = normal(account)
        signed = context.database.add_reserved(
            self.request.root_id, "faucet", address, address, lambda nonce: signer.payout(address, nonce)
        )
        queue_transaction(self, spec, signed, address, names.CACHE_GIFT_DATA)
        return [signed.raw.hex()]


def _add_transfer(app: Celery, context: EngineContext, signer: TransactionSigner) -> None:
    @app.task(name=names.TRANSFER, bind=True)  # type: ignore[untyped-decorator]
    def transfer(self: Task, tokens: list[dict[str, Any]], holder: str, receiver: str, value: int, spec: Spec) -> str:
        """Sends ``value`` base units of one token with the holder's key. Its nonce has been reserved."""
        check_chain(context, spec)
        if len(tokens) != 1:
            raise NotImplementedError(f"a transfer of {len(tokens)} tokens")
        sender, recipient = normal(holder), normal(receiver)
        token = bytes.fromhex(normal(tokens[0]["address"]))
        signed = context.database.add_reserved(
            self.request.root_id,
            "transfer",
            recipient,
            sender,
            lambda nonce: signer.transfer(sender, nonce, token, recipient, value),
        )
        queue_transaction(self, spec, signed, sender, names.CACHE_TRANSFER_DATA)
        return f"0x{signed.hash.hex()}"


def _add_custom(app: Celery, context: EngineContext, signer: TransactionSigner) -> None:
    @app.task(name=names.CUSTOM, bind=True)  # type: ignore[untyped-decorator]
    def custom(
        self: Task,
        nonce: int,
        sender: str,
        recipient: str,
        value: int,
        data: str | None,
        gas_price: int,
        gas_limit: int,
        spec: Spec,
        cache_task: str = names.CACHE_GAS_DATA,
    ) -> str:
        """Sends a transaction with a nonce of the caller's choice: an operator fills a hole between nonces with it."""
        check_chain(context, spec)
        signed = signer.sign(
            normal(sender),
            nonce,
            bytes.fromhex(normal(recipient)),
            value=value,
            data=bytes.fromhex((data or "").removeprefix("0x")),
            gas=gas_limit,
            gas_price=gas_price,
        )
        with context.database.transaction() as cursor:
            add_otx(cursor, "custom", normal(recipient), normal(sender), signed, nonce)
        child(self, cache_task, signed.hash.hex(), signed.raw.hex(), spec).apply_async()
        child(self, names.SET_READY, spec, f"0x{signed.hash.hex()}").apply_async()
        return f"0x{signed.hash.hex()}"


def _add_states(app: Celery, context: EngineContext) -> None:
    """Registers the tasks that write what is known of a transaction into the engine's tables.

    cic-eth stores sender, recipient and value of a transaction in a task of its own. Here they are stored with it already.
    """

    def cache(tx_hash: str, signed: str, spec: Spec) -> tuple[str, int | None]:
        return tx_hash, context.database.otx_id(normal(tx_hash))

    for name in (names.CACHE_ACCOUNT_DATA, names.CACHE_GIFT_DATA, names.CACHE_TRANSFER_DATA, names.CACHE_GAS_DATA):
        app.task(cache, name=name)

    @app.task(name=names.SET_READY)  # type: ignore[untyped-decorator]
    def set_ready(spec: Spec, tx_hash: str) -> str:
        context.database.mark_ready(normal(tx_hash))
        return normal(tx_hash)

    @app.task(name=names.SET_WAITFORGAS)  # type: ignore[untyped-decorator]
    def set_waitforgas(spec: Spec, tx_hash: str) -> str:
        context.database.mark_waiting(normal(tx_hash))
        return normal(tx_hash)


def child(task: Task, name: str, *arguments: Any, **keywords: Any) -> Any:
    """The signature of a task for the queue from which ``task`` was taken."""
    queue = (task.request.delivery_info or {}).get("routing_key")
    return task.app.signature(name, args=arguments, kwargs=keywords, queue=queue)


def send_group(task: Task, name: str, calls: Sequence[tuple[Any, ...]]) -> None:
    """Sends one task for each tuple of arguments, all of a group, as Celery's ``group`` does.

    Celery's own also subscribes to the result of each, in case its sender waits for them.
    """
    group_id = uuid()
    results = [
        child(task, name, *arguments).apply_async(group_id=group_id, group_index=number, add_to_parent=False)
        for number, arguments in enumerate(calls)
    ]
    task.add_trail(task.app.GroupResult(group_id, results))


def queue_transaction(task: Task, spec: Spec, signed: Signed, sender: str, cache_task: str) -> None:
    """Has a transaction sent once its sender can pay for it."""
    tx_hash, raw = signed.hash.hex(), signed.raw.hex()
    child(task, cache_task, tx_hash, raw, spec).apply_async()
    child(task, names.CHECK_GAS, [f"0x{tx_hash}"], spec, [f"0x{raw}"], sender, GAS_LIMIT * GAS_PRICE).apply_async()
