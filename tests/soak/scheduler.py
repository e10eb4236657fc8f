"""Simulated threads and simulated time: one thread runs at a time, and a seeded choice says which goes on.

A simulated thread is a greenlet: it gives the turn away at a blocking point and nowhere else, all in one thread of the
operating system. So what runs between two blocking points is never interrupted, and the order of everything follows from the
seed alone. Time stands still while anybody can run, and else jumps to the next moment at which somebody can.
"""

import heapq
from collections.abc import Callable
from math import inf
from random import Random

from greenlet import getcurrent, greenlet

LONGEST = 6 * 3600.0  # simulated seconds of one process; a run that takes longer counts as one that hangs


class Killed(BaseException):
    """The process was killed: raised at every blocking point of it, so that its threads end."""


class HangError(Exception):
    """Nobody can ever go on, or the run takes longer than any of its waits allows."""


class SimProcess:
    """What ends together. ``dead`` processes do nothing any more."""

    __slots__ = ("alive", "dead", "died_of")

    def __init__(self) -> None:
        self.dead = False
        self.alive = 0  #: its threads that have not ended
        self.died_of: BaseException | None = None  #: what a thread ended with that nobody caught


class _Worker(greenlet):  # type: ignore[misc] -- it has no types
    """Carries out one job after the other: to make a greenlet takes longer than many a job."""

    def __init__(self) -> None:
        super().__init__()
        self.job: Callable[[], greenlet]  #: gives the greenlet that goes on

    def run(self) -> None:
        while True:
            after = self.job()
            del self.job
            _idle.append(self)
            after.switch()


_idle: list[_Worker] = []  # of all simulations: those that have no job


class SimThread:
    """One simulated thread. ``ready`` says whether it can go on; None: it can."""

    __slots__ = ("deadline", "ended", "greenlet", "process", "ready")

    def __init__(self, process: SimProcess, job: Callable[[], greenlet]) -> None:
        self.process = process
        self.greenlet = _idle.pop() if _idle else _Worker()
        self.greenlet.job = job
        self.ready: Callable[[], bool] | None = None
        self.deadline: float | None = None
        self.ended = False


class Scheduler:
    """Runs simulated threads until a process has ended. ``now`` is in seconds since the world began."""

    def __init__(self, random: Random) -> None:
        self.now = 0.0
        self.current: SimThread | None = None
        self._random = random
        self._threads: list[SimThread] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._outside = getcurrent()
        self._awaited: SimProcess | None = None
        self._limit = 0.0

    def run(self, main: Callable[[], None]) -> SimProcess:
        """Runs ``main`` as a process of its own, until it and all its threads have ended. Threads that are still there when
        ``main`` returns are killed, as a process's daemon threads are.
        """
        process = SimProcess()
        self._limit = self.now + LONGEST

        def whole() -> None:
            try:
                main()
            finally:
                process.dead = True

        self._awaited, self._outside = process, getcurrent()
        self.spawn(whole, process)
        while following := self._next():
            self.current = following
            following.greenlet.switch()
        self.current = None
        return process

    def spawn(self, body: Callable[[], None], process: SimProcess | None = None) -> SimThread:
        """A new thread, of the process of the current one unless given; it begins when its turn comes."""
        if process is None:
            assert self.current is not None
            process = self.current.process
        process.alive += 1

        def job() -> greenlet:
            try:
                if not process.dead:
                    body()
            except Killed:
                pass
            except BaseException as error:  # whoever runs the process looks at it
                process.died_of = process.died_of or error
            thread.ended = True
            process.alive -= 1
            self._threads.remove(thread)
            return self._outside

        thread = SimThread(process, job)
        self._threads.append(thread)
        return thread

    def block(self, ready: Callable[[], bool] | None = None, timeout: float | None = None) -> bool:
        """The current thread waits until ``ready`` or for ``timeout`` seconds; whether it is ready. With neither: lets others
        run. Raises Killed when its process is dead.
        """
        me = self.current
        assert me is not None, "only a simulated thread can wait"
        if me.process.dead:
            raise Killed
        me.ready = ready
        me.deadline = None if timeout is None else self.now + max(timeout, 0.0)
        if ready is None and timeout is not None:
            me.ready = _never
        following = self._next()
        if following is not me:
            self.current = following
            (following.greenlet if following else self._outside).switch()
        me.ready = me.deadline = None
        if me.process.dead:
            raise Killed
        return ready is None or ready()

    def at(self, moment: float, event: Callable[[], None]) -> None:
        """Calls ``event`` at this simulated moment, between the turns of threads. It must not block."""
        self._number += 1
        heapq.heappush(self._due, (moment, self._number, event))

    def skip(self, seconds: float) -> None:
        """Lets time pass while there is no process."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            moment, _, event = heapq.heappop(self._due)
            self.now = max(self.now, moment)
            event()
        self.now = end

    def _next(self) -> SimThread | None:
        awaited = self._awaited
        while awaited is not None and awaited.alive:
            able, moment = self._able()
            able = able or self._pass_time(moment)
            if able:
                return able[0] if len(able) == 1 else able[self._random.randrange(len(able))]
        return None

    def _able(self) -> tuple[list[SimThread], float]:
        """The threads that can go on now; and, if there is none, the next moment at which one can that only waits for time."""
        able = []
        now, moment = self.now, inf
        for one in self._threads:
            ready, deadline = one.ready, one.deadline
            due = deadline is not None and deadline <= now
            if ready is None or due or one.process.dead or (ready is not _never and ready()):
                able.append(one)
            elif deadline is not None and deadline < moment:
                moment = deadline
        return able, moment

    def _pass_time(self, moment: float) -> list[SimThread]:
        """Goes on to this moment, or to that of an event before it. Gives the threads whose time has come, unless an event has
        changed more than the time.
        """
        if self._due:
            moment = min(moment, self._due[0][0])
        if moment > self._limit:
            assert self._awaited is not None
            why = (
                "nobody can ever go on" if moment == inf else f"it has not ended after {LONGEST:.0f} simulated seconds"
            )
            self._awaited.died_of = self._awaited.died_of or HangError(why)
            self._awaited.dead = True
            return []
        now = self.now = max(self.now, moment)
        if not (self._due and self._due[0][0] <= now):
            return [one for one in self._threads if one.deadline is not None and one.deadline <= now]
        while self._due and self._due[0][0] <= now:
            _, _, event = heapq.heappop(self._due)
            try:
                event()
            except Exception as error:  # a fault of the world: it must not be taken for one of the product
                assert self._awaited is not None
                self._awaited.died_of, self._awaited.dead = error, True
        return []


def _never() -> bool:
    return False


class _Present:
    """The scheduler that the simulated primitives use; None outside a simulation."""

    scheduler: Scheduler | None = None


def use(scheduler: Scheduler | None) -> None:
    """From now on the primitives of ``tests.soak.primitives`` belong to this scheduler."""
    _Present.scheduler = scheduler


def present() -> Scheduler:
    """The scheduler in use."""
    assert _Present.scheduler is not None, "there is no simulation"
    return _Present.scheduler
