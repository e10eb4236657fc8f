"""Celery messages for the engine and for workers, as bytes that can be pushed onto its queue.

Celery and kombu write them, to a transport that only collects them. So a whole batch is sent by one LPUSH, which the broker
takes whole or not at all, and no library sends a message twice by itself.
"""

import threading
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.canvas import Signature
from celery.loaders.app import AppLoader
from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.transport import virtual
from kombu.utils.json import dumps

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import UnavailableError
from cicscenario.services.custodial import tasks


class _Channel(virtual.Channel):
    """Collects what is published."""

    def _put(self, queue: str, message: dict[str, Any], **options: Any) -> None:
        self.connection.collected.append(dumps(message).encode())  # type: ignore[no-untyped-call]


class _Transport(virtual.Transport):
    """Sends nothing."""

    Channel = _Channel
    driver_type = driver_name = "collect"

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)  # type: ignore[no-untyped-call]
        self.collected: list[bytes] = []


class _Loader(AppLoader):  # type: ignore[misc]
    """Takes no configuration from the shell's CELERY_CONFIG_MODULE."""

    def read_configuration(self, env: str = "") -> dict[str, Any]:
        return {}


class TaskMessages:
    """Writes messages for one ``queue``. Safe for use by many threads."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._app = Celery("cicscenario", set_as_current=False, loader=_Loader, fixups=())
        nowhere = Connection(transport=_Transport)  # type: ignore[no-untyped-call]
        self._producer = self._app.amqp.Producer(nowhere, auto_declare=False)
        self._lock = threading.Lock()

    def call(self, task_id: str, task: str, arguments: Sequence[Any]) -> bytes:
        """One task by its name; its result is stored under ``task_id``."""
        return self._message(task_id, task, arguments, [], [])

    def _message(
        self, task_id: str, task: str, arguments: Sequence[Any], links: list[Signature], failed: list[Signature]
    ) -> bytes:
        with self._lock:
            message = self._app.amqp.as_task_v2(
                task_id,
                task,
                tuple(arguments),
                callbacks=links or None,
                errbacks=failed or None,
                reply_to=self._app.thread_oid,
                ignore_result=None,  # as from the engine's own client: a worker leaves its results only unless told not to
            )
            try:
                self._app.amqp.send_task_message(
                    self._producer, task, message, queue=self._queue, declare=(), retry=False
                )
            except (KombuError, TypeError, ValueError) as error:
                raise UnavailableError(f"cannot write a message for the task {task}: {type(error).__name__}") from error
            collected: list[bytes] = self._producer.connection.transport.collected
            return collected.pop()


class Messages(TaskMessages):
    """Those of the engine, for one ``queue`` and chain."""

    def __init__(self, queue: str, spec: ChainSpec) -> None:
        super().__init__(queue)
        self.spec = str(spec)  #: for commands in hints
        self._chain = spec.asdict()

    def create_account(self, root_id: str, destination: str, *, register: bool = True) -> bytes:
        """The engine's own ``create_account``: its links nested as the engine nests them.

        ``destination`` is ``host:port:db:channel`` as the worker sees Redis. Every task has an error link to it, which the
        engine's own composition lacks: without it, nobody is told of a failure.
        """
        failed = self._signature(tasks.CALLBACK, destination, 1)
        after = [self._signature(tasks.CALLBACK, destination, 0)]
        if register:
            registration = self._linked(failed, [], tasks.REGISTER, self._chain)
            after.append(self._linked(failed, [registration], tasks.RESERVE_NONCE, self._chain, tasks.WRITER_ROLE))
        create = self._linked(failed, after, tasks.CREATE, self._chain)
        return self._message(root_id, tasks.CHECK_LOCK, ["", self._chain, tasks.CREATE_LOCK], [create], [failed])

    def register_account(self, root_id: str, address: str) -> bytes:
        """The last two tasks of ``create_account`` alone, for an ``address`` (hexadecimal, without 0x) that it made."""
        registration = self._signature(tasks.REGISTER, self._chain)
        return self._message(
            root_id, tasks.RESERVE_NONCE, [address, self._chain, tasks.WRITER_ROLE], [registration], []
        )

    def gift_account(self, root_id: str, address: str) -> bytes:
        """Gas, and the faucet's tokens, for a registered ``address`` (hexadecimal, without 0x) that the engine made.

        Source: ``RegistrationFilter`` of cic-eth's tracker. The account itself calls the faucet, so the nonce is its own.
        """
        gift = self._signature(tasks.GIFT, self._chain)
        return self._message(root_id, tasks.RESERVE_NONCE, [address, self._chain], [gift], [])

    def transfer(self, root_id: str, payer: str, payee: str, units: int, symbol: str) -> bytes:
        """The engine's own ``transfer`` of ``units`` base units of a token; accounts are hexadecimal, without 0x."""
        transfer = self._signature(tasks.TRANSFER, payer, payee, units, self._chain)
        resolve = self._signature(tasks.RESOLVE_TOKENS, self._chain, link=[transfer])
        reserve = self._signature(tasks.RESERVE_NONCE, self._chain, payer, link=[resolve])
        return self._message(root_id, tasks.CHECK_LOCK, [[symbol], self._chain, tasks.QUEUE_LOCK, payer], [reserve], [])

    def _signature(self, task: str, *arguments: Any, **options: Any) -> Signature:
        return self._app.signature(task, args=arguments, queue=self._queue, **options)

    def _linked(self, failed: Signature, then: list[Signature], task: str, *arguments: Any) -> Signature:
        links = {"link": then} if then else {}
        return self._signature(task, *arguments, link_error=[failed], **links)
