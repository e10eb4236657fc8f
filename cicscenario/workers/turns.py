"""Turns: what a service bears from one client at a time is done by one worker after the other.

cic-meta loses all but one of the writes that arrive at the same time. Within a process a lock is enough; workers agree in Redis.
A turn ends by itself when its worker was killed, so two may have one: a lost write is sent again, which changes nothing.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from cicscenario.boundaries import Boundary
from cicscenario.errors import InterruptedRunError
from cicscenario.services.custodial.broker import Broker, of_type
from cicscenario.workers import names

_LONGEST = 10_000  # milliseconds after which a turn ends by itself; more than a write takes
_AGAIN = 0.2  # seconds of waiting for the end of a turn, before looking again
_TURN = Boundary("workers.turn")
#: KEYS: whom the run wants, the turn. ARGV: the session, the holder, milliseconds. Who asks again has it still: an answer
#: may have been lost.
_TAKE = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return -1 end
if redis.call('set', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then return 1 end
if redis.call('get', KEYS[2]) == ARGV[2] then return 1 end
return 0
"""
#: KEYS: the turn, the list on which the next one waits. ARGV: the holder, milliseconds.
_GIVE = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1], KEYS[2])
redis.call('lpush', KEYS[2], '1')
redis.call('pexpire', KEYS[2], ARGV[2])
return 1
"""


class Turns:
    """The turns of one broker for one section of environments. Safe for use by many threads."""

    def __init__(self, broker: Broker, section: str) -> None:
        self._broker = broker
        self._turn = names.turn(section)
        self._ended = f"{self._turn}-ended"

    @contextmanager
    def turn(self, lineage: str, session: str) -> Iterator[None]:
        """In the block nobody else has the turn, for a session of a run that still wants its results.

        Raises InterruptedRunError when it does not: a task that comes late must not write over what is newer.
        """
        holder = uuid.uuid4().hex
        while not self._take(holder, names.wanted(lineage), session):
            self._broker.read(self._wait)
        try:
            yield
        finally:
            self._give(holder)

    def _take(self, holder: str, wanted: str, session: str) -> bool:
        def take(client: "Redis") -> int:
            with _TURN:
                return int(of_type(int, client.eval(_TAKE, 2, wanted, self._turn, session, holder, str(_LONGEST))))

        if (taken := self._broker.read(take)) < 0:
            raise InterruptedRunError("the run does not wait for this task any more")
        return taken == 1

    def _wait(self, client: "Redis") -> None:
        with _TURN:
            client.blpop([self._ended], timeout=_AGAIN)

    def _give(self, holder: str) -> None:
        self._broker.read(lambda client: client.eval(_GIVE, 2, self._turn, self._ended, holder, str(_LONGEST)))
