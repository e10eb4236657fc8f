"""Asks the engine questions: tasks whose results are waited for, in batches."""

import threading
import time
import uuid
from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any

from cicscenario.errors import CicScenarioError, InterruptedRunError
from cicscenario.retry import pause
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.meaning import explain
from cicscenario.services.custodial.messages import Messages
from cicscenario.services.custodial.outcome import Failed, Lost, Trace
from cicscenario.services.custodial.pending import PendingTasks
from cicscenario.services.custodial.results import Results, TaskRecord

_FASTEST = 0.01
_SLOWEST = 0.25

Call = tuple[str, list[Any]]  #: name and arguments of a task
Answer = TaskRecord | Failed | Lost


class Questions:
    """Asks on the queue of ``broker``. Safe for use by many threads."""

    def __init__(self, broker: Broker, messages: Messages, pending: PendingTasks) -> None:
        self._broker = broker
        self._messages = messages
        self._pending = pending
        self._results = Results(broker)
        self._mutex = threading.Lock()
        self.answered = 0  #: questions that workers have answered so far

    @property
    def address(self) -> str:
        """Where the engine is, for messages to people."""
        return f"queue {self._broker.queue!r} of Redis {self._broker.address}"

    def ask(self, calls: Sequence[Call], timeout: float, longest: float = 0) -> list[Answer]:
        """Answers in the order of ``calls``; Lost for those that do not come.

        Waits while workers of this Redis move: until none has moved, and no answer has come, for ``timeout`` seconds, and
        no longer than ``longest`` seconds in all (or ``timeout``, if that is longer). Questions that no worker has taken
        by then are removed from the queue.
        """
        ids = self._push(calls)
        return self._conclude(calls, ids, self._awaited(ids, timeout, longest))

    def activity(self) -> Hashable:
        """A value that differs from an earlier one when workers have taken, begun or finished tasks of others since."""
        return self._pending.activity(self.answered)

    def _awaited(self, ids: Sequence[str], timeout: float, longest: float) -> dict[str, TaskRecord]:
        last = time.monotonic() + max(timeout, longest)
        answers: dict[str, TaskRecord] = {}
        try:
            while True:
                before = self.activity() if longest > timeout else None
                found = self._answers([i for i in ids if i not in answers], min(time.monotonic() + timeout, last))
                answers |= found
                if len(answers) == len(ids) or time.monotonic() >= last:
                    return answers
                if not found and (before is None or self.activity() == before):
                    return answers
        except InterruptedRunError:
            with suppress(CicScenarioError):  # the questions do no harm where they are
                self._broker.take_back(ids)
            raise

    def _push(self, calls: Sequence[Call]) -> list[str]:
        """Puts questions on the queue; returns their ids."""
        ids = [str(uuid.uuid4()) for _ in calls]
        asked = zip(ids, calls, strict=True)
        self._broker.push_in_parts(self._messages.call(task_id, *call) for task_id, call in asked)
        return ids

    def _conclude(self, calls: Sequence[Call], ids: Sequence[str], answers: dict[str, TaskRecord]) -> list[Answer]:
        lost = self._lost([task_id for task_id in ids if task_id not in answers])
        names = dict(zip(ids, (task for task, _ in calls), strict=True))
        return [lost[i] if i in lost else self._judged(names[i], answers[i]) for i in ids]

    def _judged(self, task: str, entry: TaskRecord) -> TaskRecord | Failed:
        return explain(task, entry.result, self._messages.spec) if entry.failed else entry

    def _answers(self, ids: Sequence[str], deadline: float) -> dict[str, TaskRecord]:
        answers: dict[str, TaskRecord] = {}
        interval = _FASTEST
        while True:
            missing = [task_id for task_id in ids if task_id not in answers]
            found = {task_id: entry for task_id, entry in self._results.read(missing).items() if entry.done}
            answers |= found
            with self._mutex:
                self.answered += len(found)
            left = deadline - time.monotonic()
            if len(answers) == len(ids) or left <= 0:
                return answers
            interval = _FASTEST if found else min(interval * 2, _SLOWEST)
            pause(min(interval, left), self._broker.stopping)

    def _lost(self, ids: Sequence[str]) -> dict[str, Lost]:
        if not ids:
            return {}
        queued = self._broker.take_back(ids)
        fetched = self._pending.find([task_id for task_id in ids if task_id not in queued])
        return {
            task_id: Lost(Trace.QUEUED, f"no worker takes tasks from the {self.address}")
            if task_id in queued
            else Lost(
                Trace.FETCHED, f"a worker has fetched a task from the {self.address}, but has not begun it in time"
            )
            if task_id in fetched
            else Lost(Trace.UNKNOWN, f"a worker took a task from the {self.address}, but gave no result in time")
            for task_id in ids
        }
