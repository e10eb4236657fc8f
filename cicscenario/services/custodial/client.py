"""Client of the custodial engine: checks that it is ready, asks which keys it holds, and requests accounts."""

import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import CicScenarioError, InterruptedRunError, InvalidError, UnavailableError
from cicscenario.retry import pause
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.accounts import AccountRequests
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.meaning import explain, no_writer
from cicscenario.services.custodial.messages import Messages
from cicscenario.services.custodial.outcome import Failed, Lost, Trace
from cicscenario.services.custodial.results import Results, TaskRecord, address_in

_PUSH = 100
_FASTEST = 0.01
_SLOWEST = 0.25
_NOBODY = "00" * 19 + "01"  # an address whose key nobody has; asking for it tries the chain spec and the signer

Call = tuple[str, list[Any]]


@dataclass(frozen=True)
class EngineToken:
    """The engine's default token; ``address`` has 20 bytes."""

    symbol: str
    name: str
    address: bytes
    decimals: int


class CustodialClient:
    """The engine behind ``broker`` (an address of Redis) that takes tasks from ``queue``; see Broker for the login.

    ``callback`` is ``host:port:database`` of the same Redis as the engine's worker sees it; the broker's own by default.
    ``busy`` is how many seconds ``check`` waits for an engine that is at work on other tasks.
    Safe for use by many threads. Everything raises UnavailableError when Redis cannot be reached, and InterruptedRunError
    within a second after ``stopping`` is set. Deadlines are instants of ``time.monotonic``.
    """

    def __init__(
        self,
        broker: str,
        chain_spec: ChainSpec,
        *,
        queue: str = "cic-eth",
        callback: str | None = None,
        timeout: float = 5,
        patience: float = 15,
        busy: float = 300,
        stopping: threading.Event | None = None,
        user: str | None = None,
        password: str | None = None,
        ca: Path | None = None,
    ) -> None:
        self._broker = Broker(
            broker, queue, timeout=timeout, patience=patience, stopping=stopping, user=user, password=password, ca=ca
        )
        self._messages = Messages(queue, chain_spec)
        self._results = Results(self._broker)
        self._busy = busy
        self._chain = chain_spec.asdict()
        where = callback or self._broker.callback
        if where is None:
            raise InvalidError(
                f"a broker at a socket ({self._broker.address}) needs `custodial.callback`, which is missing",
                hint="write host:port:database of Redis as the engine's worker sees it",
            )
        if where.count(":") != 2:  # the engine splits it at its colons
            raise InvalidError(
                f"not a callback address: {where!r}",
                hint="write host:port:database of Redis as the engine's worker sees it",
            )
        self._callback = where

    @property
    def address(self) -> str:
        """Where the engine is, for messages to people."""
        return f"queue {self._broker.queue!r} of Redis {self._broker.address}"

    def accounts(self, channel: str, *, register: bool = True) -> AccountRequests:
        """Requests for accounts, with callbacks on ``channel``, a name that no other run uses.

        ``register`` has the engine register each account in the accounts index.
        """
        return AccountRequests(self._broker, self._messages, channel, self._callback, register=register)

    def check(self, timeout: float = 10) -> EngineToken:
        """The engine's default token, after a check of all that account creation needs.

        Raises UnavailableError with the first thing that is missing: Redis, a worker, its tasks, this chain, the signer, a
        writer of the accounts index, or that account creation is locked. ``timeout`` is in seconds; an engine that is busy, as
        after a run that was killed, is waited for longer while it takes tasks, but not for ever (``busy``).
        """
        self._broker.ping()
        calls: list[Call] = [
            (tasks.CHECK_LOCK, ["", self._chain, tasks.CREATE_LOCK]),
            (tasks.HAVE, [_NOBODY, self._chain]),
            (tasks.ROLE_ACCOUNT, [tasks.WRITER_ROLE, self._chain]),
            (tasks.DEFAULT_TOKEN, []),
        ]
        lock, have, role, token = self._ask_busy(calls, timeout)
        for answer in (lock, have, token):
            if not isinstance(answer, TaskRecord):
                raise self._problem(answer)
        if isinstance(role, TaskRecord) and _is_nobody(role.result):
            meaning, hint = no_writer()
            raise UnavailableError(f"{meaning} ({self.address})", hint=hint)
        assert isinstance(token, TaskRecord)
        return self._token(token.result)

    def default_token(self, timeout: float = 10) -> EngineToken:
        """The engine's default token; ``timeout`` is in seconds."""
        answer = self._ask([(tasks.DEFAULT_TOKEN, [])], time.monotonic() + timeout)[0]
        if not isinstance(answer, TaskRecord):
            raise self._problem(answer)
        return self._token(answer.result)

    def have(self, addresses: Sequence[bytes], deadline: float) -> dict[bytes, bool | Failed | Lost]:
        """Whether the engine holds the key of each 20-byte address. Failed or Lost where that is not known."""
        calls: list[Call] = [(tasks.HAVE, [address.hex(), self._chain]) for address in addresses]
        answers = self._ask(calls, deadline)
        return {
            address: address_in(answer.result) == address if isinstance(answer, TaskRecord) else answer
            for address, answer in zip(addresses, answers, strict=True)
        }

    def register(self, accounts: Sequence[bytes]) -> None:
        """Has the engine register 20-byte addresses that it made, even if it has tried before. The chain shows the result."""
        self._send([self._messages.register_account(str(uuid.uuid4()), account.hex()) for account in accounts])

    def gift(self, accounts: Sequence[bytes]) -> None:
        """Has the engine give gas to registered accounts that it made, and trigger the faucet. The chain shows the result."""
        self._send([self._messages.gift_account(str(uuid.uuid4()), account.hex()) for account in accounts])

    def _send(self, messages: Sequence[bytes]) -> None:
        for start in range(0, len(messages), _PUSH):
            self._broker.push(messages[start : start + _PUSH])

    def _ask(self, calls: Sequence[Call], deadline: float) -> list[TaskRecord | Failed | Lost]:
        """Answers in the order of ``calls``; questions that no worker has taken by the deadline are removed from the queue."""
        ids = self._push(calls)
        return self._conclude(calls, ids, self._answers(ids, deadline))

    def _ask_busy(self, calls: Sequence[Call], timeout: float) -> list[TaskRecord | Failed | Lost]:
        """As ``_ask``, but goes on waiting, for ``busy`` seconds at most, while tasks are taken from the queue.

        Raises UnavailableError after that.
        """
        ids = self._push(calls)
        last = time.monotonic() + max(timeout, self._busy)
        oldest = self._broker.oldest()
        answers = self._answers(ids, time.monotonic() + timeout)
        while len(answers) < len(ids) and time.monotonic() < last and (now := self._broker.oldest()) != oldest:
            oldest = now
            answers = self._answers(ids, min(time.monotonic() + timeout, last))
        if len(answers) < len(ids) and time.monotonic() >= last and self._busy > timeout:
            self._broker.take_back(ids)
            raise UnavailableError(
                f"the custodial engine is busy: it takes tasks from the {self.address}, but has not come to those of this run"
                f" in {self._busy:g} seconds; {self._broker.waiting()} tasks wait there",
                hint="wait until the queue is shorter, and run the same command again; is something else filling it?",
            )
        return self._conclude(calls, ids, answers)

    def _push(self, calls: Sequence[Call]) -> list[str]:
        """Puts questions on the queue; returns their ids."""
        ids = [str(uuid.uuid4()) for _ in calls]
        for start in range(0, len(calls), _PUSH):
            part = slice(start, start + _PUSH)
            asked = zip(ids[part], calls[part], strict=True)
            self._broker.push([self._messages.call(task_id, *call) for task_id, call in asked])
        return ids

    def _conclude(
        self, calls: Sequence[Call], ids: Sequence[str], answers: dict[str, TaskRecord]
    ) -> list[TaskRecord | Failed | Lost]:
        lost = self._lost([task_id for task_id in ids if task_id not in answers])
        names = dict(zip(ids, (task for task, _ in calls), strict=True))
        return [lost[i] if i in lost else _judge(names[i], answers[i]) for i in ids]

    def _answers(self, ids: Sequence[str], deadline: float) -> dict[str, TaskRecord]:
        answers: dict[str, TaskRecord] = {}
        interval = _FASTEST
        while True:
            missing = [task_id for task_id in ids if task_id not in answers]
            found = {task_id: entry for task_id, entry in self._results.read(missing).items() if entry.done}
            answers |= found
            left = deadline - time.monotonic()
            if len(answers) == len(ids) or left <= 0:
                return answers
            interval = _FASTEST if found else min(interval * 2, _SLOWEST)
            try:
                pause(min(interval, left), self._broker.stopping)
            except InterruptedRunError:
                with suppress(CicScenarioError):  # the questions do no harm where they are
                    self._broker.take_back(ids)
                raise

    def _lost(self, ids: Sequence[str]) -> dict[str, Lost]:
        if not ids:
            return {}
        queued = self._broker.take_back(ids)
        return {
            task_id: Lost(Trace.QUEUED, f"no worker takes tasks from the {self.address}")
            if task_id in queued
            else Lost(Trace.UNKNOWN, f"a worker took a task from the {self.address}, but gave no result in time")
            for task_id in ids
        }

    def _problem(self, answer: Failed | Lost) -> UnavailableError:
        if isinstance(answer, Failed):
            return UnavailableError(f"{answer} ({self.address})", hint=answer.hint)
        if answer.trace is Trace.QUEUED:
            hint = "is the custodial engine's worker running, on this Redis and with this queue (CELERY_QUEUE)?"
            return UnavailableError(f"{answer.why}; {self._broker.waiting()} tasks wait there", hint=hint)
        hint = "is the worker overloaded, or does it leave its results elsewhere (CELERY_RESULT_URL)?"
        return UnavailableError(answer.why, hint=hint)

    def _token(self, found: Any) -> EngineToken:
        """Source: ``default_token`` answers {symbol, address, name, decimals}, the address without 0x."""
        fields = found if isinstance(found, dict) else {}
        address = address_in(fields.get("address"))
        if address is None or not isinstance(fields.get("decimals"), int) or not fields.get("symbol"):
            raise UnavailableError(f"the custodial engine answers with no valid token: {found!r:.200} ({self.address})")
        return EngineToken(str(fields["symbol"]), str(fields.get("name", "")), address, fields["decimals"])


def _judge(task: str, entry: TaskRecord) -> TaskRecord | Failed:
    return explain(task, entry.result) if entry.failed else entry


def _is_nobody(pairs: Any) -> bool:
    """Whether ``role_account`` found no account: its answer is ``[[address, role]]``, with an address of zeros."""
    try:
        address = address_in(pairs[0][0])
    except (TypeError, IndexError, KeyError):
        return False
    return address is None or not any(address)
