"""Requests new accounts from the custodial engine, with the same chain of Celery tasks as cic-ussd."""

from typing import Any, Protocol

from celery import Celery

from cicscenario.chainspec import ChainSpec

ENGINE_QUEUE = "cic-eth"  #: the engine takes its tasks from this queue
QUEUE = "cic-ussd"  #: the engine sends its reports to this queue
ACCOUNT_CREATED = "cic_ussd.tasks.callback_handler.account_creation_callback"
TRANSACTION = "cic_ussd.tasks.callback_handler.transaction_callback"

_CREATE_LOCK = 4  # cic-eth's lock flag for the creation of accounts
_RETRY = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}


class AccountCreator(Protocol):
    """Creates accounts; each is reported to the queue cic-ussd with the task id that was given here."""

    def create_account(self, task: str, language: str) -> None: ...


class CeleryAccountCreator:
    """Sends the tasks to the cic-eth workers of ``broker``. Not thread-safe. Raises kombu's OperationalError."""

    def __init__(self, broker: str, chain: ChainSpec) -> None:
        self._app = Celery("cicscenario.sandbox.ussd", broker=broker, set_as_current=False)
        self._app.conf.update(task_ignore_result=True, broker_connection_timeout=5)
        # Not a connection of Celery's pool: those stay open when the pool is closed.
        self._connection = self._app.connection_for_write()
        self._producer = self._app.amqp.Producer(self._connection)
        self._chain = chain.asdict()

    def create_account(self, task: str, language: str) -> None:
        report = self._task(ACCOUNT_CREATED, [language, 0], queue=QUEUE)
        register = self._task("cic_eth.eth.account.register", [self._chain])
        nonce = self._task("cic_eth.eth.nonce.reserve_nonce", [self._chain, "ACCOUNT_REGISTRY_WRITER"], [register])
        create = self._task("cic_eth.eth.account.create", [self._chain], [report, nonce])
        root = self._task("cic_eth.admin.ctrl.check_lock", ["", self._chain, _CREATE_LOCK], [create])
        root.apply_async(task_id=task, producer=self._producer, retry=True, retry_policy=_RETRY)

    def _task(self, name: str, arguments: list[Any], then: list[Any] | None = None, queue: str = ENGINE_QUEUE) -> Any:
        signature = self._app.signature(name, args=arguments, queue=queue)
        for following in then or []:
            signature.link(following)
        return signature

    def close(self) -> None:
        self._producer.close()
        self._connection.release()
        self._app.close()
