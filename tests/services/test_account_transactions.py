"""The engine's tables have the transactions of an account, and its queue the tasks that may make one."""

import base64
import json
from types import SimpleNamespace
from typing import Any

from cicscenario.services.custodial.accounttransactions import AccountTransactions
from cicscenario.services.custodial.outcome import Failed
from cicscenario.services.custodial.results import TaskRecord

PAYER, PAYEE = b"\xaa" * 20, b"\xbb" * 20


def message(*words: Any) -> bytes:
    """A message of Celery's protocol 2 on the engine's queue."""
    body = base64.b64encode(json.dumps([list(words), {}, {"callbacks": None}]).encode()).decode()
    return json.dumps({"body": body, "headers": {"id": "1", "task": "t"}}).encode()


class Broker:
    def __init__(self, *queued: bytes, fetched: tuple[bytes, ...] = ()) -> None:
        self._queued = queued
        self._client: Any = SimpleNamespace(
            scan_iter=lambda **_: [b"unacked"],
            hscan_iter=lambda name, count: [(str(n).encode(), one) for n, one in enumerate(fetched)],
        )

    def messages(self) -> Any:
        return iter(self._queued)

    def read(self, command: Any) -> Any:
        return command(self._client)


class Questions:
    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.asked: list[Any] = []

    def ask(self, calls: Any, timeout: float, longest: float) -> list[Any]:
        self.asked += calls
        return [self._answer for _ in calls]


def made(answer: Any, *, broker: Any = None) -> AccountTransactions:
    return AccountTransactions(broker or Broker(), Questions(answer), {"arch": "evm"})  # type: ignore[arg-type]


def record(*transactions: tuple[str, str]) -> TaskRecord:
    return TaskRecord("SUCCESS", dict(transactions))


def test_the_transactions_of_an_account_are_signed_bytes_by_hash_with_or_without_0x() -> None:
    expected = {PAYER: {b"\1\2": b"\3\4"}}
    assert made(record(("0102", "0304"))).of([PAYER], 1) == expected
    assert made(record(("0x0102", "0x0304"))).of([PAYER], 1) == expected


def test_a_failed_question_is_no_empty_list() -> None:
    failed = Failed("task", "Error", "no", "it failed")
    assert made(failed).of([PAYER], 1) == {PAYER: failed}


def test_an_account_with_a_task_on_the_queue_or_with_a_worker_waits() -> None:
    other = b"\xcc" * 20
    fetched = json.dumps([json.loads(message(["GFT"], PAYEE.hex())), "exchange", "cic-eth"]).encode()
    service = made(None, broker=Broker(message(["GFT"], {}, 16, PAYER.hex()), b"no json", fetched=(fetched, b"[]")))
    assert service.waiting([PAYER, PAYEE, other]) == {PAYER, PAYEE}
    assert service.waiting([]) == set()
