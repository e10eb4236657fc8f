"""Counts tasks since the engine's start, in Redis, for the fault switches that act at the Nth task."""

import os
import signal
import time

from redis import Redis

from cicscenario.sandbox.custodial.errors import SIGNER_IS_DOWN, RPCException
from cicscenario.sandbox.custodial.settings import EngineSettings

_KINDS = ("tasks", "register", "refill", "pause")
#: Counts a task in KEYS[1]. The one that is number ARGV[1] begins the pause KEYS[2], of ARGV[2] milliseconds, at the same moment:
#: else a task of another process that is counted in between would run during the pause.
_COUNT_AND_PAUSE = """
local count = redis.call('INCR', KEYS[1])
if count == tonumber(ARGV[1]) then redis.call('SET', KEYS[2], 1, 'PX', ARGV[2]) end
return count
"""


class FaultCounters:
    """``engine_pid`` is the process that has to die, too, when the engine is killed by a fault."""

    def __init__(self, settings: EngineSettings, engine_pid: int) -> None:
        self._settings = settings
        self._engine_pid = engine_pid
        self._redis: Redis | None = None

    def before_task(self) -> None:
        """Kills the engine, or waits until it is no longer paused, when a fault switch says so."""
        faults = self._settings.faults
        if not faults.die_after and not faults.pause:
            return
        pause = _key(self._settings.queue, "pause")
        first, length = (faults.pause_after + 1, int(faults.pause * 1000)) if faults.pause else (0, 0)
        count = self._client.eval(_COUNT_AND_PAUSE, 2, _key(self._settings.queue, "tasks"), pause, first, length)
        if faults.die_after and count > faults.die_after:
            for process in (self._engine_pid, os.getppid(), os.getpid()):
                os.kill(process, signal.SIGKILL)
        while (left := self._client.pttl(pause)) > 0:
            time.sleep(left / 1000)

    def before_registration(self) -> None:
        """Raises RPCException when this registration must fail."""
        self._fail_at("register", self._settings.faults.nonce_hole)

    def before_refill(self) -> None:
        """Raises RPCException when this gift of gas must fail."""
        self._fail_at("refill", self._settings.faults.gas_nonce_hole)

    def _fail_at(self, kind: str, numbers: tuple[int, ...]) -> None:
        if numbers and self._count(kind) in numbers:
            raise RPCException(SIGNER_IS_DOWN)

    def _count(self, kind: str) -> int:
        return int(self._client.incr(_key(self._settings.queue, kind)))

    @property
    def _client(self) -> Redis:
        if self._redis is None:
            self._redis = Redis.from_url(self._settings.broker)
        return self._redis


def counter_keys(queue: str) -> list[str]:
    """The Redis keys of all counters, which the engine deletes at its start."""
    return [_key(queue, kind) for kind in _KINDS]


def _key(queue: str, kind: str) -> str:
    return f"{queue}.engine.{kind}"
