"""Tasks about accounts, with cic-eth's names, argument order, results and errors.

Addresses are 40 lower-case hexadecimal digits; a chain spec is a dictionary.
"""

from typing import Any

from celery import Celery, Task

from cicscenario.sandbox.custodial.callbacks import Publisher
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.database import WRITER, ZERO, take_faucet, take_reservation
from cicscenario.sandbox.custodial.dispatcher import Dispatcher
from cicscenario.sandbox.custodial.errors import (
    SIGNER_IS_DOWN,
    LockedError,
    RPCException,
)
from cicscenario.sandbox.custodial.tracker import queue_gifts

Spec = dict[str, Any]
_HEX = frozenset("0123456789abcdef")


def chain_of(spec: Spec | None) -> str:
    """A chain spec as text, with colons; cic-eth writes ``::`` when there is none."""
    return "::" if spec is None else ":".join(str(spec[k]) for k in ("arch", "fork", "network_id", "common_name"))


def normal(address: str) -> str:
    return address.removeprefix("0x").lower()


def is_address(text: object) -> bool:
    return isinstance(text, str) and len(normal(text)) == len(ZERO) and set(normal(text)) <= _HEX


def check_chain(context: EngineContext, spec: Spec) -> None:
    """Raises KeyError for another chain, as cic-eth does when it looks the chain up in its table of connections."""
    if chain_of(spec) != context.chain:
        raise KeyError(chain_of(spec))


def _use_signer(context: EngineContext, spec: Spec) -> None:
    check_chain(context, spec)
    if context.settings.faults.signer_down:
        raise RPCException(SIGNER_IS_DOWN)


def add_to(app: Celery) -> None:
    """Registers the tasks."""
    context: EngineContext = app.engine_context
    _add_locks(app, context)
    _add_accounts(app, context)
    _add_registration(app, context)
    _add_roles(app, context)
    _add_callbacks(app, context)


def _add_locks(app: Celery, context: EngineContext) -> None:
    @app.task(name="cic_eth.admin.ctrl.check_lock")  # type: ignore[untyped-decorator]
    def check_lock(chained: Any, spec: Spec | None, flags: int, address: str | None = None) -> Any:
        addresses = [ZERO] if address is None else [ZERO, normal(address)]
        if found := context.database.locked(chain_of(spec), flags, addresses):
            raise LockedError(found)
        return chained

    @app.task(name="cic_eth.admin.ctrl.lock")  # type: ignore[untyped-decorator]
    def lock(
        chained: Any, spec: Spec | None, address: str = ZERO, flags: int = 0xFF, tx_hash: str | None = None
    ) -> Any:
        context.database.lock(chain_of(spec), normal(address), flags)
        return chained

    @app.task(name="cic_eth.admin.ctrl.unlock")  # type: ignore[untyped-decorator]
    def unlock(chained: Any, spec: Spec | None, address: str = ZERO, flags: int = 0xFF) -> Any:
        context.database.unlock(chain_of(spec), normal(address), flags)
        return chained


def _add_accounts(app: Celery, context: EngineContext) -> None:
    @app.task(name="cic_eth.eth.account.create", bind=True)  # type: ignore[untyped-decorator]
    def create(self: Task, password: str, spec: Spec) -> str:
        _use_signer(context, spec)
        return context.vault.create(self.request.id, password)

    @app.task(name="cic_eth.eth.account.have")  # type: ignore[untyped-decorator]
    def have(account: str, spec: Spec) -> str | None:
        _use_signer(context, spec)
        return account if is_address(account) and context.vault.held([normal(account)]) else None


def _add_registration(app: Celery, context: EngineContext) -> None:
    dispatcher = Dispatcher(context)

    @app.task(name="cic_eth.eth.nonce.reserve_nonce", bind=True)  # type: ignore[untyped-decorator]
    def reserve_nonce(self: Task, chained: Any, spec: Spec, signer: str | None = None) -> Any:
        address = chained if signer is None else signer
        if signer is not None and not is_address(signer):
            address = context.database.roles().get(signer, ZERO)
        if not is_address(address):
            raise ValueError(f"invalid result when resolving address for nonce {address}")
        if address != ZERO:  # 0 is a role without an account; the task that needs the nonce raises the error
            context.database.reserve(self.request.root_id, normal(address))
        return chained

    @app.task(name="cic_eth.eth.account.register", bind=True)  # type: ignore[untyped-decorator]
    def register(self: Task, account: str, spec: Spec, writer: str | None = None) -> str:
        _use_signer(context, spec)
        if writer is None:
            writer = context.database.roles().get(WRITER, ZERO)
        context.database.register(self.request.root_id, normal(account), normal(writer))
        return account

    @app.task(name="cic_eth.eth.account.gift", bind=True)  # type: ignore[untyped-decorator]
    def gift(self: Task, account: str, spec: Spec) -> list[str]:
        """Queues gas and the faucet's payout for an account, unless the tracker has done so; gives the signed payout."""
        _use_signer(context, spec)
        with context.database.transaction() as cursor:
            queued = queue_gifts(cursor, context, [normal(account)])
            take_reservation(cursor, self.request.root_id, normal(account), needed=queued > 0)
            rows = take_faucet(cursor, normal(account))
            made = dispatcher.sign(cursor, [row for row in rows if row.signed_tx is None])
        return [row.signed_tx for row in rows if row.signed_tx] + [signed.raw.hex() for signed in made]


def _add_roles(app: Celery, context: EngineContext) -> None:
    @app.task(name="cic_eth.eth.account.set_role")  # type: ignore[untyped-decorator]
    def set_role(tag: str, address: str, spec: Spec) -> str:
        if not is_address(address):
            raise ValueError(f"invalid address {address}")
        context.database.set_role(tag, normal(address))
        return tag

    @app.task(name="cic_eth.eth.account.role")  # type: ignore[untyped-decorator]
    def role(address: str, spec: Spec) -> list[tuple[str, str | None]]:
        tags = [tag for tag, held in context.database.roles().items() if held == normal(address)]
        return [(address, tags[0] if tags else None)]

    @app.task(name="cic_eth.eth.account.role_account")  # type: ignore[untyped-decorator]
    def role_account(tag: str | None, spec: Spec) -> list[tuple[str, str]]:
        roles = context.database.roles()
        if tag is not None:
            return [(roles.get(tag, f"0x{ZERO}"), tag)]
        return [(address, name) for name, address in roles.items()]


def _add_callbacks(app: Celery, context: EngineContext) -> None:
    publisher = Publisher(context.settings.faults)

    # ``bind``: for a failed task, Celery then sends this callback as a task of its own, with the failed task's id.
    @app.task(name="cic_eth.callbacks.redis.redis", bind=True, max_retries=1)  # type: ignore[untyped-decorator]
    def redis(self: Task, result: Any, destination: str, status_code: int) -> None:
        delay = context.settings.faults.delay
        if delay and not self.request.retries:
            raise self.retry(countdown=delay)
        publisher.publish(self.request.root_id, result, destination, status_code)

    @app.task(name="cic_eth.callbacks.noop.noop", bind=True)  # type: ignore[untyped-decorator]
    def noop(self: Task, result: Any, param: Any, status_code: int) -> Any:
        return result
