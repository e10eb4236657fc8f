"""Executes every step for every batch of people, many batches at the same time, and saves each outcome.

Outcomes are saved when their batch is done, and about every half second before that, so that a killed process loses little.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from os import cpu_count

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch, Wait
from cicscenario.capabilities.step import Lane, PlannedStep
from cicscenario.engine.deadline import Deadlines
from cicscenario.engine.events import Listener
from cicscenario.engine.progress import Progress
from cicscenario.engine.waits import Waits
from cicscenario.errors import InterruptedRunError
from cicscenario.people.person import Person
from cicscenario.plan.compile import Plan

BATCH = 100
_OPEN_BATCHES = 10  # keeps the ledger's window of unconfirmed transactions full; limits memory
_CHAIN_STEPS_AT_ONCE = 3  # gift, faucet and gas of one batch are independent
_SERVICE_STEPS_AT_ONCE = 7  # so are the waits for the engine, the metadata kinds, PINs and USSD data
_LOOK = 100  # batches that are looked at together, whether they are through
_BACKGROUND_AT_WORKERS = 16  # batches whose work is at workers, so that there is enough for many machines
_SAVE_EVERY = 0.5  # seconds between two saves of what active batches have done so far


@dataclass
class _OpenBatch:
    first: int
    stop: int
    waiting: dict[str, PlannedStep]
    done: set[str]
    running: set[str] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)  #: people who got their account while this batch was open
    known: list[Person] | None = None  #: as the state has them, for the steps that follow; None: they are to be read
    changed: int = 0  #: how often the state's people were changed while this batch was open


@dataclass(eq=False)
class _Work:
    """One batch in one step, while its executor works."""

    step: str
    of: _OpenBatch
    batch: Batch
    began: float

    @property
    def left(self) -> int:
        """The number of people without an outcome."""
        return len(self.batch.ids) - len(self.batch.result.outcomes)


class Runner:
    """Schedules one run of a plan. When the context's ``stopping`` is set, executors end soon, and what they did is saved."""

    def __init__(
        self,
        plan: Plan,
        context: RunContext,
        progress: Progress,
        listener: Listener,
        *,
        only: Collection[str] | None = None,
        batch: int = BATCH,
        record: Callable[[], None] = lambda: None,
        deadlines: Deadlines | None = None,
    ) -> None:
        """``only`` names the steps to execute (None: all). A step still needs the outcomes of the steps before it.

        When the context has anything to make again, no step is executed for anybody else.
        ``record`` is called about every half second, after what active batches have done is saved. ``deadlines`` are told when a
        step begins to work, and when it has no work left.
        """
        self._plan = plan
        self._store = context.state
        self._progress = progress
        self._steps = {step.name: step for step in plan.steps if only is None or step.name in only}
        self._together = [step for step in self._steps.values() if step.step.together]
        self._executors = {name: step.executor(context) for name, step in self._steps.items()}
        self._names = {step.name for step in plan.steps}
        self._batched = {name: step for name, step in self._steps.items() if step not in self._together}
        self._unselected = self._names - set(self._batched)
        self._listener = listener
        self._batch = batch
        self._record = record
        self._read_back = context.read_back
        self._redo = context.redo
        self._stopping = context.stopping
        self._finished: queue.SimpleQueue[tuple[_OpenBatch, PlannedStep, Future[None]]] = queue.SimpleQueue()
        self._under_way = 0
        self._mutex = threading.Lock()
        self._active: dict[_Work, None] = {}  # in the order in which they began
        self._waits = Waits(plan.steps, context.services.traffic, time.monotonic)
        self._save_at = time.monotonic() + _SAVE_EVERY
        self._deadlines = deadlines or Deadlines(None, {}, self._stopping)
        self._left = dict.fromkeys(self._steps, -(-plan.size // batch))  # batches that are to go through each step
        self._cause: BaseException | None = None  #: what stopped the run, unless the user did
        self._pools = {
            Lane.CPU: ThreadPoolExecutor(1, "cpu"),
            Lane.CHAIN: ThreadPoolExecutor(_OPEN_BATCHES * _CHAIN_STEPS_AT_ONCE, "chain"),
            Lane.SERVICE: ThreadPoolExecutor(_OPEN_BATCHES * _SERVICE_STEPS_AT_ONCE, "service"),
            Lane.BACKGROUND: ThreadPoolExecutor(
                _BACKGROUND_AT_WORKERS if context.workers else cpu_count() or 1, "background"
            ),
        }

    def run(self) -> None:
        """Returns when every step was tried for every person who was ready for it.

        Raises the first error that stopped a step, or InterruptedRunError when the run was asked to stop. In both cases
        everything that was done is saved; people who were not begun stay pending.
        """
        error: BaseException | None = None
        try:
            with self._deadlines.seeing(lambda: self._waits.all(self._active_waits())):
                error = self._schedule() or self._schedule_together()
        finally:
            for pool in self._pools.values():
                pool.shutdown(cancel_futures=True)
        if error:
            raise error
        if self._stopping.is_set():
            raise InterruptedRunError("stopped; everything done so far is saved")

    # --- scheduling, in one thread ------------------------------------------------------------------------------

    def _schedule(self) -> BaseException | None:
        starts = self._starts()
        open_batches: list[_OpenBatch] = []
        error: BaseException | None = None
        exhausted = False
        while True:
            while not (exhausted or self._stopping.is_set()) and len(open_batches) < _OPEN_BATCHES:
                first = next(starts, None)
                if first is None:
                    exhausted = True
                    break
                batch = self._open(first)
                if self._advance(batch):
                    open_batches.append(batch)
            if not self._under_way:
                return self._cause or error
            batch, step, future = self._next_finished()
            self._under_way -= 1
            batch.running.discard(step.name)
            batch.done.add(step.name)
            self._went_through(step.name)
            if failure := future.exception():
                error = error or failure
                self._stopping.set()
            if not self._advance(batch) and batch in open_batches:
                open_batches.remove(batch)

    def _starts(self) -> Iterator[int]:
        """The first person of each batch that is not through yet.

        While the state is inspected, batches of people of whom it has nothing come first: for others nothing new is sent, so
        they would take the places of the open ones, and a big state would keep the run waiting. They come as soon as they can.
        """
        later: deque[int] = deque()
        for start in self._not_through():
            if self._store.awaits_check(range(start, min(start + self._batch, self._plan.size))):
                later.append(start)
                continue
            while later and not self._store.awaits_check():
                yield later.popleft()
            yield start
        yield from later

    def _not_through(self) -> Iterator[int]:
        """The first person of each batch that is not through yet. Those that are cost one look for many of them."""
        for first in range(0, self._plan.size, _LOOK * self._batch):
            stop = min(first + _LOOK * self._batch, self._plan.size)
            done = self._store.done_in_parts(self._batched, first, stop, self._batch)
            for number, start in enumerate(range(first, stop, self._batch)):
                people = min(self._batch, stop - start)
                if done.get(number, 0) < people * len(self._batched):
                    yield start
                    continue
                for name in self._batched:
                    self._went_through(name)

    def _went_through(self, step: str) -> None:
        """A batch is through a step."""
        self._left[step] -= 1
        if not self._left[step]:
            self._deadlines.ended(step)

    def _open(self, first: int) -> _OpenBatch:
        return _OpenBatch(first, min(first + self._batch, self._plan.size), dict(self._batched), set(self._unselected))

    def _schedule_together(self) -> BaseException | None:
        """Executes the steps for everybody at once, one after the other, once all those before are done for everybody."""
        for step in self._together:
            counts = self._store.counts()
            before = self._names.intersection(step.after)
            if self._stopping.is_set() or any(counts.get(name, (0, 0))[0] < self._plan.size for name in before):
                break
            self._submit(_OpenBatch(0, self._plan.size, {}, set()), step)
            *_, future = self._next_finished()
            self._under_way -= 1
            self._deadlines.ended(step.name)
            if failure := future.exception():
                return self._cause or failure
        return self._cause

    def _advance(self, batch: _OpenBatch) -> bool:
        """Starts every step that has become ready. Returns whether the batch still counts as open."""
        for step in list(batch.waiting.values()):
            if self._stopping.is_set():
                break
            if batch.done.issuperset(self._names.intersection(step.after)):
                del batch.waiting[step.name]
                batch.running.add(step.name)
                self._submit(batch, step)
        is_open = bool(batch.waiting) or any(self._steps[name].lane is not Lane.BACKGROUND for name in batch.running)
        if not is_open:  # any number of batches may wait for what is done in the background
            with self._mutex:
                batch.known, batch.changed = None, batch.changed + 1
        return is_open

    def _submit(self, batch: _OpenBatch, step: PlannedStep) -> None:
        self._under_way += 1
        future = self._pools[step.lane].submit(self._run_step, step, batch)
        future.add_done_callback(lambda done: self._finished.put((batch, step, done)))

    def _next_finished(self) -> tuple[_OpenBatch, PlannedStep, Future[None]]:
        """Waits for the next batch that is through a step. Meanwhile saves what the others have done so far."""
        while True:
            if (left := self._save_at - time.monotonic()) <= 0:
                self._save_active()
                self._record()
                self._save_at = time.monotonic() + _SAVE_EVERY
                continue
            try:
                return self._finished.get(timeout=left)
            except queue.Empty:
                pass

    def _save_active(self) -> None:
        with self._mutex:
            active = list(self._active)
        for work in active:
            try:
                self._save(work, whole=False)
            except BaseException as error:
                self._stop_because(error)
                return
        for event in self._waits.events(self._active_waits()):
            self._listener(event)

    def _active_waits(self) -> list[tuple[str, int, Wait | None]]:
        """Of each batch under way: its step, the people left, and what it waits for."""
        with self._mutex:
            active = list(self._active)
        return [(work.step, work.left, work.batch.result.waiting()) for work in active]

    def _stop_because(self, error: BaseException) -> None:
        """Stops the run at once, so that no other batch begins."""
        with self._mutex:
            if not self._stopping.is_set():
                self._cause = error  # the errors of other batches after this one only follow from it
            self._stopping.set()

    # --- one batch through one step, in a thread of the step's lane ---------------------------------------------

    def _run_step(self, step: PlannedStep, of: _OpenBatch) -> None:
        if self._stopping.is_set():
            return  # the run was stopped while this batch waited for a thread
        batch = self._ready(step, of)
        if not batch.ids:
            return
        work = _Work(step.name, of, batch, self._progress.begin(step.name))
        with self._mutex:
            self._active[work] = None
        self._waits.begun(step.name)
        self._deadlines.begun(step.name)
        try:
            try:
                batch.result.include(self._executors[step.name](batch))
            finally:
                with self._mutex:
                    self._active.pop(work, None)
                    more = any(other.step == work.step for other in self._active)
                if not more:
                    self._waits.idle(work.step)
                self._save(work, whole=True)
        except BaseException as error:
            self._stop_because(error)
            raise

    def _save(self, work: _Work, *, whole: bool) -> None:
        """Writes what is new in a result, and only then counts it."""
        new = work.batch.result.take()
        if not (whole or new.outcomes):
            return
        written = self._store.commit(work.step, new.outcomes, new.people, new.addresses, new.spelled)
        ok = {outcome.person for outcome in written if outcome.ok}
        with self._mutex:
            work.of.fresh.update(person for person, _ in new.addresses if person in ok)
            if new.people or new.addresses:
                work.of.known, work.of.changed = None, work.of.changed + 1
        for outcome in written:
            if outcome.ok and outcome.read_back:
                self._read_back.add(work.step, outcome.person)
        event = self._progress.add(work.step, len(ok), len(written) - len(ok), work.began, whole=whole)
        if written:
            if not whole:
                self._waits.news(work.step)
            self._listener(event)

    def _ready(self, step: PlannedStep, of: _OpenBatch) -> Batch:
        """The people of a batch who are done in all steps before this one, and not in this one."""
        first, stop = of.first, of.stop
        done = self._store.done(step.name, first, stop)
        ids = set(range(first, stop)) - done
        if not ids:
            return Batch((), ())
        if self._redo:
            ids = {person for person in ids if person in self._redo.of(step.name)}
        for earlier in self._names.intersection(step.after):
            ids &= self._store.done(earlier, first, stop)
        with_people = bool(step.after) and not step.step.together
        people = [p for p in self._people(of) if p.id in ids] if with_people else []
        with self._mutex:
            return Batch(sorted(ids), people, fresh=frozenset(of.fresh))

    def _people(self, of: _OpenBatch) -> list[Person]:
        """The people of a batch. Those of an open batch are read again only after they have changed."""
        with self._mutex:
            known, changed = of.known, of.changed
        if known is None:
            known = self._store.people(of.first, of.stop)
            with self._mutex:
                if of.changed == changed:
                    of.known = known
        return known
