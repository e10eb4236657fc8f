"""Tasks about locks, accounts, roles, callbacks and the engine itself, with cic-eth's names, arguments, results and errors.

Addresses are 40 lower-case hexadecimal digits; a chain spec is a dictionary.
"""

import uuid
from typing import Any

from celery import Celery, Task

from cicscenario.people.person import checksum
from cicscenario.sandbox.custodial import names
from cicscenario.sandbox.custodial.callbacks import Publisher
from cicscenario.sandbox.custodial.context import EngineContext
from cicscenario.sandbox.custodial.database import ZERO
from cicscenario.sandbox.custodial.errors import LockedError
from cicscenario.sandbox.custodial.signing import TransactionSigner

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


def add_to(app: Celery) -> None:
    """Registers the tasks."""
    context: EngineContext = app.engine_context
    _add_locks(app, context)
    _add_accounts(app, context)
    _add_roles(app, context)
    _add_callbacks(app, context)
    _add_engine(app, context)


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
    signer = TransactionSigner(context)

    @app.task(name="cic_eth.eth.account.create")  # type: ignore[untyped-decorator]
    def create(password: str, spec: Spec) -> str:
        """Makes a new key each time it runs: a task that is run twice makes two accounts, as with cic-eth."""
        check_chain(context, spec)
        signer.check()
        return context.vault.create(str(uuid.uuid4()), password)

    @app.task(name="cic_eth.eth.account.have")  # type: ignore[untyped-decorator]
    def have(account: str, spec: Spec) -> str | None:
        check_chain(context, spec)
        signer.check()
        return account if is_address(account) and context.vault.held([normal(account)]) else None


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


def _add_engine(app: Celery, context: EngineContext) -> None:
    @app.task(name="cic_eth.task.registry")  # type: ignore[untyped-decorator]
    def registry() -> str:
        """The contract registry's address, written as the engine was configured with it: with checksum and 0x."""
        return checksum(context.settings.registry)

    @app.task(name="cic_eth.task.check_health")  # type: ignore[untyped-decorator]
    def check_health(chained: Any = None) -> Any:
        return chained

    @app.task(name=names.SHUTDOWN)  # type: ignore[untyped-decorator]
    def shutdown(message: str) -> None:
        app.control.shutdown()
