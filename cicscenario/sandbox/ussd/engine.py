"""What the phone interface asks of the custodial engine, with the same chains of Celery tasks as cic-ussd."""

from typing import Any, Protocol

from cicscenario.chainspec import ChainSpec
from cicscenario.sandbox.custodial.outbox import PostingApp

ENGINE_QUEUE = "cic-eth"  #: the engine takes its tasks from this queue
QUEUE = "cic-ussd"  #: the engine sends its reports to this queue
MESSAGE_QUEUE = "cic-notify"  #: the service that sends messages to phones takes its tasks from this queue
_CALLBACKS = "cic_ussd.tasks.callback_handler"
ACCOUNT_CREATED = f"{_CALLBACKS}.account_creation_callback"
TRANSACTION = f"{_CALLBACKS}.transaction_callback"
STATEMENT = f"{_CALLBACKS}.statement_callback"

# cic-eth's lock flags: for the creation of accounts, and for new transactions.
_CREATE_LOCK = 4
_QUEUE_LOCK = 16
_STATEMENT_LENGTH = 9  # transactions, three pages
_RETRY = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}


class EngineClient(Protocol):
    """Asks the custodial engine. Addresses are 40 hex digits, as in the account table."""

    def create_account(self, task: str, language: str) -> None:
        """Creates an account; it is reported to the queue cic-ussd with this task id."""

    def transfer(self, sender: str, recipient: str, units: int, symbol: str) -> None:
        """Transfers tokens; the sender's key is in the engine."""

    def request_statement(self, address: str) -> None:
        """Asks for an account's newest transactions; they are reported to the queue cic-ussd."""

    def send_message(self, phone: str, text: str) -> None:
        """Has a text message sent to a phone."""


class CeleryEngineClient:
    """Sends the tasks to the cic-eth workers of ``broker``. Not thread-safe. Raises kombu's OperationalError."""

    def __init__(self, broker: str, chain: ChainSpec) -> None:
        self._app = PostingApp("cicscenario.sandbox.ussd", broker, broker=broker, set_as_current=False)
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
        self._send(root, task_id=task)

    def transfer(self, sender: str, recipient: str, units: int, symbol: str) -> None:
        transfer = self._task("cic_eth.eth.erc20.transfer", [sender, recipient, units, self._chain])
        tokens = self._task("cic_eth.eth.erc20.resolve_tokens_by_symbol", [self._chain], [transfer])
        nonce = self._task("cic_eth.eth.nonce.reserve_nonce", [self._chain, sender], [tokens])
        self._send(self._task("cic_eth.admin.ctrl.check_lock", [[symbol], self._chain, _QUEUE_LOCK, sender], [nonce]))

    def request_statement(self, address: str) -> None:
        report = self._task(STATEMENT, [address, 0], queue=QUEUE)
        failure = self._task(STATEMENT, [address, 1], queue=QUEUE)
        collate = self._task("cic_eth.ext.tx.tx_collate", [self._chain, 0, _STATEMENT_LENGTH], [report])
        collate.link_error(failure)
        self._send(self._task("cic_eth.queue.query.get_account_tx", [self._chain, address], [collate]))

    def send_message(self, phone: str, text: str) -> None:
        channels = ["sms"] if phone.startswith("+254") else []
        arguments = [channels, text, MESSAGE_QUEUE, phone]
        self._send(self._task("cic_notify.tasks.default.resolver.resolve_tasks", arguments, queue=MESSAGE_QUEUE))

    def _send(self, root: Any, **options: Any) -> None:
        root.apply_async(producer=self._producer, retry=True, retry_policy=_RETRY, **options)

    def _task(self, name: str, arguments: list[Any], then: list[Any] | None = None, queue: str = ENGINE_QUEUE) -> Any:
        signature = self._app.signature(name, args=arguments, queue=queue)
        for following in then or []:
            signature.link(following)
        return signature

    def close(self) -> None:
        self._producer.close()
        self._connection.release()
        self._app.close()
