"""The side of a run: sends tasks to workers, takes the first valid result of each, and sends again what was lost.

A task is lost when it is neither in the queue nor, by a sign of life, at a worker. It may then be done twice, which does no
harm: who answers second is not heard.
"""

import json
import queue
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis import Redis

from cicscenario.boundaries import Boundary
from cicscenario.errors import CicScenarioError, InterruptedRunError, UnavailableError
from cicscenario.jsontext import parse_json
from cicscenario.printable import foreign
from cicscenario.services.custodial.broker import Broker, of_type, task_id
from cicscenario.services.custodial.messages import TaskMessages
from cicscenario.wording import counted
from cicscenario.workers import names
from cicscenario.workers.answers import WorkerAnswer, read
from cicscenario.workers.beats import SeenWorker, seen_workers
from cicscenario.workers.envelope import VERSION, Direction, Envelope, SealError
from cicscenario.workers.hands import Common, Services
from cicscenario.workers.kinds import KINDS

_LOOK_EVERY = 2.0  # seconds between two looks at workers and queue
LOST = 8.0  #: seconds for which a task must have been seen nowhere before it is sent again
_WANTED = 60  # seconds for which tasks are worked on after a session was killed
_LISTEN = 1.0  # seconds for which a question for results waits
_PUSH = Boundary("workers.push")
_TAKE = Boundary("workers.take")


@dataclass
class _Task:
    """One task that has no result yet. ``seen`` is when it was last known to be somewhere."""

    id: str
    first: int  #: index of its first item
    size: int
    message: bytes
    kind: str
    common: Common
    answered: "queue.SimpleQueue[tuple[_Task, WorkerAnswer]]"
    seen: float

    @property
    def queue(self) -> str:
        return names.queue(KINDS[self.kind].needs)


@dataclass(frozen=True)
class PoolState:
    """What a pool waits for: seconds since the last result, and what is known about its workers."""

    place: str
    seconds: float
    patience: float
    seen: str


class WorkerPool:
    """The workers of one broker, for one session of a run. Safe for use by many threads.

    ``patience`` is seconds without any result. Every call raises InterruptedRunError soon after ``stopping`` is set.
    """

    def __init__(
        self,
        broker: Broker,
        secret: str,
        *,
        patience: float,
        stopping: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._secret = secret
        self._patience = patience
        self._stopping = stopping or threading.Event()
        self._clock = clock
        self._messages: dict[str, TaskMessages] = {}  # by queue
        self._session = uuid.uuid4().hex
        self._mutex = threading.Lock()
        self._tasks: dict[str, _Task] = {}
        self._lineage = ""
        self._envelope: Envelope | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._error: CicScenarioError | None = None
        self._progress = clock()
        self._told: set[str] = set()
        self._began: float | None = None
        self._done: dict[str, Counter[str]] = {}  # items that this run has taken, by worker and kind
        self._workers: list[SeenWorker] | None = None  # None until it was asked
        self._proven: set[tuple[str, str]] = set()  # workers and kinds of which the run has seen a result by itself
        self.tell: Callable[[str], None] = lambda text: None  #: shows the user a line

    def each(
        self, lineage: str, kind: str, common: Common, items: Sequence[Any], services: Services
    ) -> Iterator[tuple[int, Any | CicScenarioError]]:
        """The index and the result of each item, in the order in which they come; an error for an item that alone has it.

        ``services`` are those of the run, with which it looks at one result of each worker. Raises UnavailableError when no
        result came for ``patience``, when Redis is away for as long, and for a worker that knows other services; and what the
        work raises at a worker.
        """
        self._begin(lineage)
        answered: queue.SimpleQueue[tuple[_Task, WorkerAnswer]] = queue.SimpleQueue()
        size = KINDS[kind].size(common)
        parts = [items[first : first + size] for first in range(0, len(items), size)]
        tasks = [self._task(kind, common, number * size, part, answered, lineage) for number, part in enumerate(parts)]
        with self._mutex:
            if not self._tasks:
                self._progress = self._clock()
                self._began = self._began or self._progress
            self._tasks |= {task.id: task for task in tasks}
        try:
            self._send(tasks)
            for _ in tasks:
                task, answer = self._next(answered)
                self._prove(task, answer, items[task.first :], services)
                yield from ((task.first + index, end) for index, end in answer.results.items())
                if answer.error:
                    answer.error.add_note(f"says the worker {answer.worker}")
                    raise answer.error
        finally:
            with self._mutex:
                for task in tasks:
                    self._tasks.pop(task.id, None)

    def _prove(self, task: _Task, answer: WorkerAnswer, items: Sequence[Any], services: Services) -> None:
        """Looks, for the first result of a worker, whether it works with the services of this run."""
        who = (answer.worker, task.kind)
        ends = answer.results.items()
        good = [(index, end) for index, end in ends if end is not None and not isinstance(end, CicScenarioError)]
        if who in self._proven or not good:
            return
        index, end = good[0]
        if wrong := KINDS[task.kind].proof(services, task.common, items[index], end):
            raise UnavailableError(
                f"what the worker {answer.worker} says is not so: {wrong}",
                hint=f"is `{KINDS[task.kind].needs}` in its environment file that of the run's?",
            )
        self._proven.add(who)

    def _task(
        self,
        kind: str,
        common: Common,
        first: int,
        items: Sequence[Any],
        answered: "queue.SimpleQueue[tuple[_Task, WorkerAnswer]]",
        lineage: str,
    ) -> _Task:
        task = str(uuid.uuid4())
        assert self._envelope is not None
        content = {"session": self._session, "kind": kind, "common": dict(common), "items": list(items)}
        sealed = self._envelope.seal(Direction.TASK, task, content)
        to = names.queue(KINDS[kind].needs)
        with self._mutex:
            if to not in self._messages:
                self._messages[to] = TaskMessages(to)
        message = self._messages[to].call(task, names.TASK, [lineage, sealed])
        return _Task(task, first, len(items), message, kind, common, answered, self._clock())

    def _next(self, answered: "queue.SimpleQueue[tuple[_Task, WorkerAnswer]]") -> tuple[_Task, WorkerAnswer]:
        while True:
            if self._stopping.is_set():
                raise InterruptedRunError("stopped while workers work; everything done so far is saved")
            if self._error:
                raise self._error
            try:
                return answered.get(timeout=0.2)
            except queue.Empty:
                pass
            state = self.state()
            if state.seconds >= state.patience:
                raise UnavailableError(
                    f"no worker of {state.place} has answered for {state.patience:g} s: {state.seen}",
                    hint="is one started, with the same `workers.broker` and `workers.secret`?",
                )

    def state(self) -> PoolState:
        """What is waited for."""
        with self._mutex:
            seen = described(self._workers, self._needs())
            return PoolState(self._broker.address, self._clock() - self._progress, self._patience, seen)

    def _needs(self) -> set[str]:
        """The sections that workers need for the tasks that wait."""
        return {needs for task in self._tasks.values() if (needs := KINDS[task.kind].needs)}

    def seen(self) -> list[SeenWorker] | None:
        """The workers at the last look, with what this run has had of each; None before the first.

        Rates are from the first task to the last result. Workers that are gone since are among them.
        """
        with self._mutex:
            if self._workers is None:
                return None
            seconds = max(self._progress - (self._began or 0.0), 0.1)
            gone = self._done.keys() - {worker.name for worker in self._workers}
            every = [*self._workers, *(SeenWorker(name, VERSION) for name in sorted(gone))]
            return [
                replace(
                    worker,
                    done=dict(done := self._done.get(worker.name, Counter())),
                    rates={kind: round(number / seconds, 2) for kind, number in done.items()},
                )
                for worker in every
            ]

    def close(self) -> None:
        """Ends the thread that takes results."""
        self._closed.set()
        if self._thread:
            self._thread.join(2 * _LISTEN + 1)

    # --- in a thread of its own -----------------------------------------------------------------------------------

    def _begin(self, lineage: str) -> None:
        with self._mutex:
            if self._thread is None:
                self._lineage = lineage
                self._envelope = Envelope(self._secret, lineage)
                self._thread = threading.Thread(target=self._listen, name="workers", daemon=True)
                self._thread.start()

    def _listen(self) -> None:
        beats = Envelope(self._secret, "")
        look_at = self._clock()
        try:
            while not (self._closed.is_set() or self._stopping.is_set()):
                if self._clock() >= look_at:
                    self._look(beats)
                    look_at = self._clock() + _LOOK_EVERY
                if text := self._broker.read(self._take):
                    self._answer(text)
        except InterruptedRunError:
            pass
        except CicScenarioError as error:
            self._error = error

    def _take(self, client: "Redis") -> bytes | None:
        with _TAKE:
            found = client.blpop([names.results(self._session)], timeout=_LISTEN)
        return None if found is None else bytes(of_type(bytes, of_type(tuple | list, found)[1]))

    def _answer(self, text: bytes) -> None:
        """Takes one result; one that does not open, or is of no task that waits, changes nothing."""
        try:
            outer = parse_json(text)
            task, sealed = outer["task"], outer["sealed"]
            with self._mutex:
                waiting = self._tasks.get(task)
            if waiting is None or self._envelope is None:
                return
            version, content = self._envelope.open(Direction.RESULT, task, sealed)
        except (SealError, ValueError, KeyError, TypeError):
            self._tell_once("a result was not sealed with `workers.secret` of this environment, and is not used")
            return
        if refused := content.get("refused"):
            self._tell_once(f"the worker {content.get('worker')} refuses tasks: {refused}")
            return
        answer = read(KINDS[waiting.kind], waiting.common, waiting.size, content) if version == VERSION else None
        if answer is None:
            self._tell_once(f"the worker {content.get('worker')} gives results of another form, which are not used")
            return
        with self._mutex:
            first = self._tasks.pop(task, None)
            self._progress = self._clock()
            if first:
                name = foreign(answer.worker, 100)
                self._done.setdefault(name, Counter())[waiting.kind] += len(answer.results)
        if first:
            waiting.answered.put((waiting, answer))

    def _look(self, beats: Envelope) -> None:
        """Looks where the tasks are, and sends again those that are nowhere."""
        self._broker.read(lambda client: self._want(client))
        workers = seen_workers(self._broker, beats)
        with self._mutex:
            queues = {task.queue for task in self._tasks.values()}
        there_now = (self._broker.beside(name).messages() for name in queues)
        queued = {found for messages in there_now for text in messages if (found := task_id(text))}
        there = queued.union(*(worker.running for worker in workers if worker.usable))
        now = self._clock()
        with self._mutex:
            self._workers, needs = workers, self._needs()
            stands = bool(self._tasks) and now - self._progress >= LOST
            for task in self._tasks.values():
                if task.id in there:
                    task.seen = now
            lost = [task for task in self._tasks.values() if now - task.seen >= LOST]
        for worker in workers:
            if worker.readable and not worker.usable:
                self._tell_once(f"the worker {worker.name} is of version {worker.version}; this run is of {VERSION}")
        if stands and not any(worker.usable for worker in workers):
            self._tell_once(f"{described(workers)}: what workers do waits for one")
        for section in sorted(needs):
            if any(worker.usable for worker in workers) and not _with_section(workers, section):
                self._tell_once(f"no worker has a `{section}` section in its environment file; what needs it waits")
        if lost:
            self.tell(f"{counted(len(lost), 'task')} of workers lost, and sent again")
            self._send(lost)

    def _want(self, client: "Redis") -> None:
        with _PUSH:
            client.set(names.wanted(self._lineage), self._session, ex=_WANTED)

    def _send(self, tasks: Sequence[_Task]) -> None:
        """Sends tasks; after a doubt again, since a task may be done twice."""
        if not tasks:
            return
        queues = defaultdict(list)
        for task in tasks:
            queues[task.queue].append(task.message)

        def push(client: "Redis") -> None:
            self._want(client)
            for name, messages in queues.items():
                with _PUSH:
                    client.lpush(name, *messages)

        self._broker.read(push)
        with self._mutex:
            for task in tasks:
                task.seen = self._clock()

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.tell(text)


def _with_section(workers: Sequence[SeenWorker], section: str) -> bool:
    return any(worker.usable and section in worker.sections for worker in workers)


def described(workers: Sequence[SeenWorker] | None, needs: Collection[str] = ()) -> str:
    """The workers, for people: how many there are, and how many of them cannot be used, and why.

    ``needs`` are sections of the environment file without which a worker does not do what is waited for.
    """
    if workers is None:
        return "not asked yet"
    if not workers:
        return "no worker is there"
    usable = sum(worker.usable for worker in workers)
    text = f"{counted(usable, 'worker')} there" if usable else "no worker that can be used is there"
    if usable and (missing := sorted(section for section in needs if not _with_section(workers, section))):
        text += f", and none has `{'`, `'.join(missing)}` in its environment file, which is needed"
    others = sorted({worker.version for worker in workers if worker.readable and not worker.usable})
    if others:
        text += f"; others are of version {', '.join(others)}, and this run is of {VERSION}"
    if unreadable := sum(not worker.readable for worker in workers):
        text += f"; {counted(unreadable, 'worker')} with another secret"
    return text


def result_message(task: str, sealed: str) -> str:
    """The form in which a worker answers."""
    return json.dumps({"task": task, "sealed": sealed})
