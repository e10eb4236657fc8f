"""Fetches tasks from Redis, with kombu's book-keeping: a message is in ``unacked`` from when it is fetched until it begins.

Kombu needs three round trips for each message. Here one acknowledges messages, fetches others and notes these.
"""

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from cicscenario.sandbox.custodial.message import TaskMessage, read
from cicscenario.sandbox.leanredis import Command

UNACKED, INDEX = "unacked", "unacked_index"
_PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")  # ends of the names of a queue's lists; source: kombu
#: Acknowledges the messages ARGV[4] and after, then fetches at most ARGV[2] messages from the lists KEYS[3] and after, and
#: notes them, with the end ARGV[3] and the time ARGV[1], each a microsecond later. Gives for each the name of its list, the tag
#: under which it is noted, and the message. It looks for the last tag in the text: to decode it would take longer than all else.
_TAKE = """
for number = 4, #ARGV do
    redis.call('ZREM', KEYS[2], ARGV[number])
    redis.call('HDEL', KEYS[1], ARGV[number])
end
local taken, room = {}, tonumber(ARGV[2])
for number = 3, #KEYS do
    if room <= 0 then break end
    for _, raw in ipairs(redis.call('RPOP', KEYS[number], room) or {}) do
        local tag = string.match(raw, '.*"delivery_tag"%s*:%s*"([^"\\\\]+)"') or ''
        if tag ~= '' then
            redis.call('ZADD', KEYS[2], string.format('%.6f', ARGV[1] + #taken * 0.000001), tag)
            redis.call('HSET', KEYS[1], tag, '[' .. raw .. ARGV[3])
        end
        room = room - 1
        taken[#taken + 1] = KEYS[number]
        taken[#taken + 1] = tag
        taken[#taken + 1] = raw
    end
end
return taken
"""
_ENOUGH = 3  # messages that wait
_log = logging.getLogger(__name__)


@dataclass
class _Request:
    """Commands that are not answered yet."""

    answers: int = 1
    room: int = 0  #: the number of messages that it asks for
    begun: Sequence[str] = ()  #: tags of the messages that it acknowledges


class Intake:
    """Keeps at most ``limit`` messages that wait. Not thread-safe. All methods but ``close`` raise RedisError or OSError.

    One connection waits for messages, another one does the rest. What was not acknowledged when a connection was lost is
    acknowledged by the next one.
    """

    def __init__(self, broker: str, queue: str, limit: int) -> None:
        self._client = Redis.from_url(broker)
        self._keys = [queue + end for end in _PRIORITIES]
        self._delivery = ("", queue)
        self._end_of_note = "".join(f", {json.dumps(text)}" for text in self._delivery) + "]"
        self._limit = limit
        self._waiter: Any = None
        self._worker: Any = None
        self._waits = False  # whether the waiter has asked for a message
        self._requests: deque[_Request] = deque()
        self._dropped: list[str] = []  # tags in ``unacked`` that are of no message
        self._later: list[TaskMessage] = []
        self.messages: deque[TaskMessage] = deque()  #: those that wait, oldest first

    def connect(self) -> None:
        """Opens the connections, and asks for messages."""
        pool = self._client.connection_pool
        self._worker, self._waiter = pool.get_connection(), pool.get_connection()
        self._waiter.send_command("CLIENT", "ID")
        self._waiter_id = self._waiter.read_response()
        self._worker.send_command("SCRIPT", "LOAD", _TAKE)
        self._script = self._worker.read_response()
        lost = [tag for request in self._requests for tag in request.begun]
        self._requests.clear()
        self._take(lost)

    @property
    def is_short(self) -> bool:
        """Whether the next answer must be read when it comes. Else ``settle`` reads it, which saves a wake-up for each task."""
        return len(self.messages) < _ENOUGH

    @property
    def sources(self) -> list[tuple[Any, Callable[[], None]]]:
        """The sockets, each with what has to be called when it can be read from."""
        return [(self._worker._sock, self._read_answers), (self._waiter._sock, self._read_message)]

    def settle(self, begun: Sequence[TaskMessage]) -> None:
        """Acknowledges messages, notes those that wait, and asks for as many as there is room for."""
        if not self.is_short and self._requests and self._worker.can_read(timeout=0):
            self._read_answers()
        self.note(self.messages)
        if tags := [message.tag for message in begun if message.is_noted] + self._dropped:
            self._dropped = []
            self._take(tags)
        elif not self._waits and not any(request.room for request in self._requests) and self._room() > 0:
            self._waiter.send_command("BRPOP", *self._keys, 0)
            self._waits = True

    def note(self, messages: Iterable[TaskMessage]) -> None:
        """Notes those of the messages that are not noted."""
        for message in messages:
            if not message.is_noted:
                message.is_noted = True
                self._transact(
                    ("ZADD", INDEX, time.time(), message.tag), ("HSET", UNACKED, message.tag, message.note())
                )

    def take_later(self) -> list[TaskMessage]:
        """The messages that have come since, and must not run at once."""
        later, self._later = self._later, []
        return later

    def settle_down(self) -> None:
        """Asks for nothing more, and waits for what was asked for. ``settle`` must not follow before ``connect``."""
        self._read_all()
        if self._waits:
            self._send(("CLIENT", "UNBLOCK", self._waiter_id))
            self._worker.read_response()
            self._read_message()

    def put_back(self, others: Iterable[TaskMessage]) -> None:
        """Puts all messages that wait, and ``others``, back into their lists, the oldest as the next.

        Call it after ``settle_down``.
        """
        commands: list[Command] = []
        for message in (*others, *reversed(self.messages)):
            commands += [("ZREM", INDEX, message.tag), ("HDEL", UNACKED, message.tag)]
            commands.append(("RPUSH", message.key, message.put_back()))
        if commands:
            self._transact(*commands)
            self._read_all()
        self.messages.clear()

    def close(self) -> None:
        """Closes the connections; ``connect`` opens them again. Without ``settle_down``, a message may be lost."""
        for connection in (self._worker, self._waiter):
            if connection is not None:
                connection.disconnect()
                self._client.connection_pool.release(connection)
        self._worker = self._waiter = None
        self._waits = False

    def _room(self) -> int:
        asked = sum(request.room for request in self._requests)
        return max(self._limit - len(self.messages) - asked - self._waits, 0)

    def _take(self, begun: list[str]) -> None:
        room = self._room()
        self._requests.append(_Request(room=room, begun=begun))
        keys = (UNACKED, INDEX, *self._keys)
        self._send(("EVALSHA", self._script, len(keys), *keys, time.time(), room, self._end_of_note, *begun))

    def _transact(self, *commands: Command) -> None:
        self._requests.append(_Request(answers=len(commands) + 2))
        self._send(("MULTI",), *commands, ("EXEC",))

    def _send(self, *commands: Command) -> None:
        self._worker.send_packed_command(self._worker.pack_commands(commands), check_health=False)

    def _read_all(self) -> None:
        while self._requests:
            self._read_answer()

    def _read_answers(self) -> None:
        self._read_answer()
        while self._requests and self._worker.can_read(timeout=0):
            self._read_answer()

    def _read_answer(self) -> None:
        """Reads the answers to the oldest request. They stay unread when the connection is lost meanwhile."""
        answers = 1 if not self._requests else self._requests[0].answers
        *_, last = [self._worker.read_response(disable_decoding=True) for _ in range(answers)]
        request = self._requests.popleft()
        if request.answers == 1:
            for key, tag, raw in zip(last[::3], last[1::3], last[2::3], strict=True):
                self._add(key, raw, tag.decode())

    def _read_message(self) -> None:
        answer = self._waiter.read_response(disable_decoding=True)
        self._waits = False
        if answer is not None:
            self._add(*answer)

    def _add(self, key: bytes, raw: bytes, tag: str = "") -> None:
        """Keeps a message, which is noted under ``tag`` if there is one."""
        try:
            message = read(key, raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            _log.error("not a task, and dropped: %r: %.200r", error, raw)
            self._dropped += [tag] if tag else []
            return
        message.is_noted = message.tag == tag and message.delivery == self._delivery
        if tag and message.tag != tag:
            self._dropped.append(tag)
        (self._later if message.wait > 0 else self.messages).append(message)
