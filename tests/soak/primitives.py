"""What the product takes from ``threading``, ``queue``, ``time`` and ``concurrent.futures``, for simulated threads."""

import queue
import time as real_time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.soak.scheduler import Killed, SimThread, present

_BEGINNING = 1_700_000_000.0  #: Unix time at which simulated worlds begin
_monotonic_beginning = 1000.0


def monotonic() -> float:
    return _monotonic_beginning + present().now


def unix_time() -> float:
    return _BEGINNING + present().now


def unix_time_ns() -> int:
    return int(unix_time() * 1e9)


def sleep(seconds: float) -> None:
    present().block(timeout=seconds)


class Lock:
    """``threading.Lock``. Outside a simulated thread it is taken at once, since then there is only one."""

    def __init__(self) -> None:
        self._taken = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._taken and not (
            blocking and present().block(lambda: not self._taken, None if timeout < 0 else timeout)
        ):
            return False
        self._taken = True
        return True

    def release(self) -> None:
        self._taken = False

    def locked(self) -> bool:
        return self._taken

    def __enter__(self) -> bool:
        if self._taken:
            return self.acquire()
        self._taken = True
        return True

    def __exit__(self, *_: object) -> None:
        self._taken = False


class RLock:
    """``threading.RLock``."""

    def __init__(self) -> None:
        self._owner: SimThread | None = None
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = present().current
        if self._depth and self._owner is not me:
            if not (blocking and present().block(lambda: not self._depth, None if timeout < 0 else timeout)):
                return False
            me = present().current
        self._owner = me
        self._depth += 1
        return True

    def release(self) -> None:
        self._depth -= 1

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def give_up(self) -> int:
        """Releases it wholly; for ``take_again``."""
        depth, self._depth = self._depth, 0
        return depth

    def take_again(self, depth: int) -> None:
        self.acquire()
        self._depth = depth


class Condition:
    """``threading.Condition`` with a lock of its own."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._waiting: list[list[bool]] = []
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        told = [False]
        self._waiting.append(told)
        depth = self._lock.give_up()
        try:
            present().block(lambda: told[0], timeout)
        finally:
            if told in self._waiting:
                self._waiting.remove(told)
        self._lock.take_again(depth)
        return told[0]

    def notify(self, number: int = 1) -> None:
        for told in self._waiting[:number]:
            told[0] = True

    def notify_all(self) -> None:
        self.notify(len(self._waiting))


class Event:
    """``threading.Event``."""

    def __init__(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set() or present().block(self.is_set, timeout)


class StopEvent(Event):
    """The product's ``StopEvent``, which looks at its parent instead of polling it."""

    def __init__(self, parent: Event | None = None) -> None:
        super().__init__()
        self._parent = parent

    def is_set(self) -> bool:
        return super().is_set() or (self._parent is not None and self._parent.is_set())


class Thread:
    """``threading.Thread``."""

    def __init__(
        self,
        target: Callable[..., object],
        args: Iterable[Any] = (),
        name: str = "",
        daemon: bool = False,
    ) -> None:
        self._target, self._arguments = target, tuple(args)
        self._thread: SimThread | None = None
        self.name, self.daemon = name, daemon

    def start(self) -> None:
        def body() -> None:
            self._target(*self._arguments)

        self._thread = present().spawn(body)

    def is_alive(self) -> bool:
        return self._thread is not None and not self._thread.ended

    def join(self, timeout: float | None = None) -> None:
        if self.is_alive():
            present().block(lambda: not self.is_alive(), timeout)


class SimpleQueue:
    """``queue.SimpleQueue``."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self._items and not (block and present().block(lambda: bool(self._items), timeout)):
            raise queue.Empty
        return self._items.popleft()


class Future:
    """``concurrent.futures.Future``, of an Executor."""

    def __init__(self) -> None:
        self._ended = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Any], object]] = []

    def done(self) -> bool:
        return self._ended

    def end(self, result: Any, error: BaseException | None) -> None:
        self._result, self._error, self._ended = result, error, True
        for callback in self._callbacks:
            callback(self)

    def exception(self) -> BaseException | None:
        if not self._ended:
            present().block(self.done)
        return self._error

    def result(self) -> Any:
        if not self.exception():
            return self._result
        try:
            raise self._error
        finally:
            del self  # else the traceback of the error would keep itself

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        if self._ended:
            callback(self)
        else:
            self._callbacks.append(callback)


class Executor:
    """``concurrent.futures.ThreadPoolExecutor``: at most ``threads`` works at a time; a thread for each."""

    def __init__(self, max_workers: int | None = None, thread_name_prefix: str = "") -> None:
        self._threads = max_workers or 2
        self._waiting: deque[tuple[Future, Callable[[], Any]]] = deque()
        self._working = 0
        self._left: list[Future] = []

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        future = Future()
        self._waiting.append((future, lambda: function(*arguments)))
        if self._working < self._threads:
            self._working += 1
            present().spawn(self._work)
        return future

    def _work(self) -> None:
        try:
            while self._waiting:
                future, call = self._waiting.popleft()
                try:
                    result, error = call(), None
                except Killed:
                    result, error = None, Killed()  # without the frames of a process that is dead
                except BaseException as raised:  # raised again in the thread that asks for the result
                    result, error = None, raised
                future.end(result, error)
                del future, call, result, error  # else the traceback of the error would keep itself
        finally:
            self._working -= 1

    def map(self, function: Callable[..., Any], *items: Iterable[Any]) -> Iterator[Any]:
        futures = [self.submit(function, *arguments) for arguments in zip(*items, strict=False)]
        return (future.result() for future in futures)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            self._waiting.clear()
        if wait and self._working:
            present().block(lambda: not self._working)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.shutdown()


class Waited(NamedTuple):
    """What ``wait`` gives."""

    done: set[Future]
    not_done: set[Future]


def wait(futures: Iterable[Future], timeout: float | None = None, return_when: str = "ALL_COMPLETED") -> Waited:
    """``concurrent.futures.wait``."""
    futures = list(futures)
    enough = any if return_when == "FIRST_COMPLETED" else all
    if not enough(future.done() for future in futures):
        present().block(lambda: enough(future.done() for future in futures), timeout)
    done = {future for future in futures if future.done()}
    return Waited(done, set(futures) - done)


def as_completed(futures: Iterable[Future]) -> Iterator[Future]:
    """``concurrent.futures.as_completed``, in the order in which they end."""
    ended: deque[Future] = deque()
    number = 0
    for number, future in enumerate(futures, 1):  # noqa: B007 -- the number of all
        future.add_done_callback(ended.append)
    for _ in range(number):
        if not ended:
            present().block(lambda: bool(ended))
        yield ended.popleft()


class Threading:
    """Stands for the module ``threading``."""

    Lock, RLock, Condition, Event, Thread = Lock, RLock, Condition, Event, Thread


class Queue:
    """Stands for the module ``queue``."""

    SimpleQueue, Empty = SimpleQueue, queue.Empty


class Time:
    """Stands for the module ``time``."""

    monotonic, time, time_ns, sleep = (
        staticmethod(monotonic),
        staticmethod(unix_time),
        staticmethod(unix_time_ns),
        staticmethod(sleep),
    )
    strftime, gmtime, localtime, perf_counter = real_time.strftime, real_time.gmtime, real_time.localtime, monotonic
