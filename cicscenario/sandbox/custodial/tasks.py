"""Tasks about accounts, under cic-eth's names, with its argument order, results and errors.

Addresses are 40 lower-case hexadecimal digits; a chain spec is its dictionary.
"""

from typing import Any

from celery import Celery, Task

from cicscenario.sandbox.custodial.callbacks import Publisher
from cicscenario.sandbox.custodial.dispatcher import Dispatcher
from cicscenario.sandbox.custodial.errors import (
    SIGNER_IS_DOWN,
    LockedError,
    RPCException,
)
from cicscenario.sandbox.custodial.ledger import WRITER, ZERO, release, take_faucet
from cicscenario.sandbox.custodial.room import EngineContext
from cicscenario.sandbox.custodial.tracker import gift as queue_gift

Spec = dict[str, Any]
_HEX = frozenset("0123456789abcdef")


def chain_of(spec: Spec | None) -> str:
    """The colon form of a chain spec; cic-eth writes ``::`` for none."""
    return "::" if spec is None else ":".join(str(spec[k]) for k in ("arch", "fork", "network_id", "common_name"))


def normal(address: str) -> str:
    return address.removeprefix("0x").lower()


def is_address(text: object) -> bool:
    return isinstance(text, str) and len(normal(text)) == len(ZERO) and set(normal(text)) <= _HEX


def check_chain(room: EngineContext, spec: Spec) -> None:
    """Raises KeyError, as the table of connections does in which cic-eth looks another chain up."""
    if chain_of(spec) != room.chain:
        raise KeyError(chain_of(spec))


def _use_signer(room: EngineContext, spec: Spec) -> None:
    check_chain(room, spec)
    if room.settings.faults.signer_down:
        raise RPCException(SIGNER_IS_DOWN)


def add_to(app: Celery) -> None:
    """Registers the tasks."""
    room: EngineContext = app.room
    _add_locks(app, room)
    _add_accounts(app, room)
    _add_registration(app, room)
    _add_roles(app, room)
    _add_callbacks(app, room)


def _add_locks(app: Celery, room: EngineContext) -> None:
    @app.task(name="cic_eth.admin.ctrl.check_lock")  # type: ignore[untyped-decorator]
    def check_lock(chained: Any, spec: Spec | None, flags: int, address: str | None = None) -> Any:
        addresses = [ZERO] if address is None else [ZERO, normal(address)]
        if found := room.ledger.locked(chain_of(spec), flags, addresses):
            raise LockedError(found)
        return chained

    @app.task(name="cic_eth.admin.ctrl.lock")  # type: ignore[untyped-decorator]
    def lock(
        chained: Any, spec: Spec | None, address: str = ZERO, flags: int = 0xFF, tx_hash: str | None = None
    ) -> Any:
        room.ledger.lock(chain_of(spec), normal(address), flags)
        return chained

    @app.task(name="cic_eth.admin.ctrl.unlock")  # type: ignore[untyped-decorator]
    def unlock(chained: Any, spec: Spec | None, address: str = ZERO, flags: int = 0xFF) -> Any:
        room.ledger.unlock(chain_of(spec), normal(address), flags)
        return chained


def _add_accounts(app: Celery, room: EngineContext) -> None:
    @app.task(name="cic_eth.eth.account.create", bind=True)  # type: ignore[untyped-decorator]
    def create(self: Task, password: str, spec: Spec) -> str:
        _use_signer(room, spec)
        return room.vault.create(self.request.id, password)

    @app.task(name="cic_eth.eth.account.have")  # type: ignore[untyped-decorator]
    def have(account: str, spec: Spec) -> str | None:
        _use_signer(room, spec)
        return account if is_address(account) and room.vault.held([normal(account)]) else None


def _add_registration(app: Celery, room: EngineContext) -> None:
    dispatcher = Dispatcher(room)

    @app.task(name="cic_eth.eth.nonce.reserve_nonce", bind=True)  # type: ignore[untyped-decorator]
    def reserve_nonce(self: Task, chained: Any, spec: Spec, signer: str | None = None) -> Any:
        address = chained if signer is None else signer
        if signer is not None and not is_address(signer):
            address = room.ledger.roles().get(signer, ZERO)
        if not is_address(address):
            raise ValueError(f"invalid result when resolving address for nonce {address}")
        if address != ZERO:  # a role that nobody has; what needs the nonce says so
            room.ledger.reserve(self.request.root_id, normal(address))
        return chained

    @app.task(name="cic_eth.eth.account.register", bind=True)  # type: ignore[untyped-decorator]
    def register(self: Task, account: str, spec: Spec, writer: str | None = None) -> str:
        _use_signer(room, spec)
        if writer is None:
            writer = room.ledger.roles().get(WRITER, ZERO)
        room.ledger.register(self.request.root_id, normal(account), normal(writer))
        return account

    @app.task(name="cic_eth.eth.account.gift", bind=True)  # type: ignore[untyped-decorator]
    def gift(self: Task, account: str, spec: Spec) -> list[str]:
        """Queues gas and faucet of an account, which the tracker does by itself; gives the signed call of the faucet."""
        _use_signer(room, spec)
        with room.ledger.transaction() as cursor:
            queued = queue_gift(cursor, room, [normal(account)])
            release(cursor, self.request.root_id, normal(account), needed=queued > 0)
            rows = take_faucet(cursor, normal(account))
            made = dispatcher.sign(cursor, [row for row in rows if row.signed_tx is None])
        return [row.signed_tx for row in rows if row.signed_tx] + [signed.raw.hex() for signed in made]


def _add_roles(app: Celery, room: EngineContext) -> None:
    @app.task(name="cic_eth.eth.account.set_role")  # type: ignore[untyped-decorator]
    def set_role(tag: str, address: str, spec: Spec) -> str:
        if not is_address(address):
            raise ValueError(f"invalid address {address}")
        room.ledger.set_role(tag, normal(address))
        return tag

    @app.task(name="cic_eth.eth.account.role")  # type: ignore[untyped-decorator]
    def role(address: str, spec: Spec) -> list[tuple[str, str | None]]:
        tags = [tag for tag, held in room.ledger.roles().items() if held == normal(address)]
        return [(address, tags[0] if tags else None)]

    @app.task(name="cic_eth.eth.account.role_account")  # type: ignore[untyped-decorator]
    def role_account(tag: str | None, spec: Spec) -> list[tuple[str, str]]:
        roles = room.ledger.roles()
        if tag is not None:
            return [(roles.get(tag, f"0x{ZERO}"), tag)]
        return [(address, name) for name, address in roles.items()]


def _add_callbacks(app: Celery, room: EngineContext) -> None:
    publisher = Publisher(room.settings.faults)

    # It is bound, so that Celery sends it as a task of its own for an error, with the failed task's id.
    @app.task(name="cic_eth.callbacks.redis.redis", bind=True, max_retries=1)  # type: ignore[untyped-decorator]
    def redis(self: Task, result: Any, destination: str, status_code: int) -> None:
        delay = room.settings.faults.delay
        if delay and not self.request.retries:
            raise self.retry(countdown=delay)
        publisher.publish(self.request.root_id, result, destination, status_code)

    @app.task(name="cic_eth.callbacks.noop.noop", bind=True)  # type: ignore[untyped-decorator]
    def noop(self: Task, result: Any, param: Any, status_code: int) -> Any:
        return result
