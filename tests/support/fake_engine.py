"""A custodial engine that makes addresses up and reports them, and keeps what else it is asked, as a Celery worker sees it."""

import base64
import json
import secrets
import threading
from dataclasses import dataclass
from typing import Any, Self

from celery import Celery
from redis import Redis

_CREATED = "cic_ussd.tasks.callback_handler.account_creation_callback"
_STATEMENT = "cic_ussd.tasks.callback_handler.statement_callback"
_TRANSACTION = "cic_ussd.tasks.callback_handler.transaction_callback"


@dataclass(frozen=True)
class Asked:
    """A task that was found on the engine's queue, as decoded from the broker."""

    headers: dict[str, Any]
    properties: dict[str, Any]
    body: list[Any]

    @property
    def report(self) -> dict[str, Any]:
        """The signature that is to be called with the new address."""
        create = self.body[2]["callbacks"][0]
        found: dict[str, Any] = create["options"]["link"][0]
        return found


class FakeEngine:
    """Takes everything from the queue cic-eth; ``paused`` it takes nothing.

    ``asked`` has the requests for accounts, ``others`` all others. ``transactions`` are reported to who asks for a statement.
    """

    def __init__(self, broker: str) -> None:
        self.asked: list[Asked] = []
        self.others: list[Asked] = []
        self.transactions: list[dict[str, Any]] = []
        self.paused = False
        self.is_idle = True
        self._redis = Redis.from_url(broker, decode_responses=True)
        self._app = Celery("engine", broker=broker, set_as_current=False)
        self._connection = self._app.connection_for_write()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def clear(self) -> None:
        self.asked, self.others, self.transactions, self.paused = [], [], [], False

    def _run(self) -> None:
        while not self._stop.is_set():
            if self.paused:
                self._stop.wait(0.01)
                continue
            self.is_idle = False  # before a message leaves the queue
            taken = self._redis.rpop("cic-eth")
            if taken is not None:
                self._create(json.loads(taken))
            self.is_idle = True
            if taken is None:
                self._stop.wait(0.005)

    def _create(self, message: dict[str, Any]) -> None:
        asked = Asked(message["headers"], message["properties"], json.loads(base64.b64decode(message["body"])))
        if asked.body[0][0] != "":  # only a new account has an empty first argument: its password
            self._answer(asked)
            return
        self.asked.append(asked)
        report = asked.report
        self.report(asked.headers["root_id"], secrets.token_hex(20), *report["args"])

    def _answer(self, asked: Asked) -> None:
        self.others.append(asked)
        if asked.headers["task"] == "cic_eth.queue.query.get_account_tx":
            self.send(_STATEMENT, [self.transactions, asked.body[0][1], 0])

    def report(self, root: str, address: str, language: str, status: int = 0) -> None:
        """Says that an account was made, or not."""
        self.send(_CREATED, [address, language, status], root_id=root)

    def gift(self, address: str, symbol: str = "GFT", status: int = 0) -> None:
        """Says that an account has received its first tokens."""
        transaction = {
            "sender": secrets.token_hex(20), "recipient": address, "source_token_symbol": symbol,
            "destination_token_symbol": symbol, "source_token_value": 1, "destination_token_value": 1,
        }  # fmt: skip
        self.send(_TRANSACTION, [transaction, "tokengift", status])

    def send(self, name: str, arguments: list[Any], **options: Any) -> None:
        """Any task for the phone interface."""
        with self._lock, self._app.amqp.Producer(self._connection) as producer:
            self._app.send_task(name, args=arguments, queue="cic-ussd", producer=producer, **options)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._connection.release()
        self._app.close()
        self._redis.close()
