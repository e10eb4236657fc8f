"""The engine's result backend: it stores a result in one round trip, and knows the chords of Celery 4.4 clients.

The phone interface asks for balances with such chords. The backend of Celery 5 reads how many results a chord waits for from
a Redis key that a Celery 5 client writes. A Celery 4.4 client writes it into the chord's last task instead, which every task
of the chord carries. Without this the last task of such a chord would never run.
"""

import contextlib
from typing import Any

from celery.backends.redis import RedisBackend
from celery.result import task_join_will_block
from redis.exceptions import RedisError

from cicscenario.sandbox.custodial.outbox import PostingApp
from cicscenario.sandbox.leanredis import Command

#: Stores and tells a result. A success is never replaced. Source: ``BaseKeyValueStoreBackend._store_result`` of Celery.
_STORE = """
local old = redis.call('GET', KEYS[1])
if old and cjson.decode(old)['status'] == 'SUCCESS' then return end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[1])
"""


class ChordBackend(RedisBackend):  # type: ignore[misc]
    """The Redis result backend, which also knows the size of a chord of Celery 4.4.

    With a PostingApp, the messages that a task has sent go out together with its result, and before it.
    """

    def on_chord_part_return(self, request: Any, state: str, result: Any, propagate: Any = None, **kwargs: Any) -> None:
        size = (request.chord or {}).get("chord_size")
        if size is not None and request.group:
            self.client.set(self.get_key_for_group(request.group, ".s"), size, nx=True, ex=self.expires)
        super().on_chord_part_return(request, state, result, propagate, **kwargs)

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        """Stores a result: Celery's own method does, when this has lost the connection."""
        if isinstance(self.app, PostingApp):
            encoded = self.encode_result(result, state)
            with contextlib.suppress(RedisError):
                send = self.app.outbox.post if self.app.is_posting else self.app.outbox.send
                send(self._storing(task_id, encoded, state, traceback, request))
                return encoded
        return super().store_result(task_id, result, state, traceback=traceback, request=request, **kwargs)

    def _storing(self, task_id: str, encoded: Any, state: str, traceback: Any, request: Any) -> Command:
        """The command that stores a result. Source of its parts: ``Backend._get_result_meta`` of Celery."""
        meta: dict[str, Any] = {
            "status": state,
            "result": encoded,
            "traceback": traceback,
            "children": self.current_task_children(request),
            "date_done": self.app.now().isoformat() if state in self.READY_STATES else None,
        }
        ids = {"group_id": getattr(request, "group", None), "parent_id": getattr(request, "parent_id", None)}
        meta |= {name: value for name, value in ids.items() if value}
        meta["task_id"] = task_id
        return ("EVAL", _STORE, 1, self.get_key_for_task(task_id), self.encode(meta), self.expires)

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        if not isinstance(self.app, PostingApp):
            return super()._store_result(task_id, result, state, traceback=traceback, request=request, **kwargs)
        self.ensure(self.app.outbox.send, (self._storing(task_id, result, state, traceback, request),))
        return result

    def add_pending_result(self, result: Any, *args: Any, **kwargs: Any) -> Any:
        """Subscribes to a result, but not where a task may not wait for it: Celery's groups always do."""
        return result if task_join_will_block() else super().add_pending_result(result, *args, **kwargs)

    def remove_pending_result(self, result: Any) -> Any:
        is_known = any(result.id in known for known in self._pending_results)
        return super().remove_pending_result(result) if is_known else result

    def process_cleanup(self) -> None:
        """Called at the end of each task: sends what it has sent after its result, or has no result to go with."""
        if isinstance(self.app, PostingApp) and not self.app.outbox.is_sent:
            self.ensure(self.app.outbox.send, ())

    def settle(self) -> None:
        """Sees to it that Redis has all that a task has sent."""
        with contextlib.suppress(RedisError):
            self.app.outbox.settle()
        if not self.app.outbox.is_settled:
            self.ensure(self.app.outbox.send, ())


def backend_url(broker: str) -> str:
    """The URL with which Celery uses this backend for the Redis at ``broker``."""
    return f"{__name__}:{ChordBackend.__name__}+{broker}"
