"""A program's workers: they take messages from its queue in Redis one after the other, each at its time.

They can stand still for a while, or be killed with what they are at.
"""

from collections.abc import Callable

from tests.soak.redis import Message, SimRedis
from tests.soak.world import World


class Workers:
    """The workers of one queue. ``begin`` is called with each message; ``task`` are the seconds between two takes.

    With ``one_by_one`` the next message is only taken when ``done`` has been called.
    """

    def __init__(
        self,
        world: World,
        redis: SimRedis,
        queue: str,
        task: float,
        begin: Callable[[Message], None],
        *,
        one_by_one: bool = False,
    ) -> None:
        self._world, self._redis, self._queue, self._task, self._begin = world, redis, queue, task, begin
        self._one_by_one = one_by_one
        self._stopped_until = 0.0
        self._at_work = False
        self._lost: set[str] = set()  # running tasks of killed workers
        self.running: set[str] = set()  #: ids of tasks that have begun and not ended

    def pause(self, seconds: int) -> None:
        self._stopped_until = max(self._stopped_until, self._world.now + seconds)

    def lose_running(self, amount: int = 0) -> None:
        """They are killed and started again: what they are at is lost."""
        self._lost |= self.running

    def wake(self) -> None:
        """There may be a message."""
        if not self._at_work:
            self._at_work = True
            self.later(self._task, self._take)

    def done(self) -> None:
        self.later(self._task, self._take)

    def later(self, seconds: float, event: Callable[[], None]) -> None:
        self._world.scheduler.at(self._world.now + seconds, event)

    def waits(self, event: Callable[[], None]) -> bool:
        """Whether they stand still; ``event`` is then called when they go on."""
        wait = self._stopped_until - self._world.now
        if wait > 0:
            self.later(wait + 0.01, event)
        return wait > 0

    def is_lost(self, task: str, name: str) -> bool:
        """Whether a task that was running was lost with its worker."""
        if task in self._lost:
            self._world.tell(f"lost {name}")
        return task in self._lost

    def _take(self) -> None:
        if self.waits(self._take):
            return
        message = self._redis.take(self._queue)
        if message is None:
            self._at_work = False
            return
        self._redis.begun += 1
        self._begin(message)
        if not self._one_by_one:
            self.done()
