"""The engine's result backend: it stores a result in one round trip, and knows the chords of Celery 4.4 clients.

The phone interface asks for balances with such chords. The backend of Celery 5 reads how many results a chord waits for from
a Redis key that a Celery 5 client writes. A Celery 4.4 client writes it into the chord's last task instead, which every task
of the chord carries. Without this the last task of such a chord would never run.
"""

from typing import Any

from celery.backends.redis import RedisBackend

from cicscenario.sandbox.custodial.outbox import PostingApp

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

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        if not isinstance(self.app, PostingApp):
            return super()._store_result(task_id, result, state, traceback=traceback, request=request, **kwargs)
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
        meta["task_id"] = task_id
        store = ("EVAL", _STORE, 1, self.get_key_for_task(task_id), self.encode(meta), self.expires)
        self.ensure(self.app.outbox.send, (store,))
        return result

    def process_cleanup(self) -> None:
        """Called at the end of each task: sends what it has sent after its result, or has no result to go with."""
        if isinstance(self.app, PostingApp):
            self.ensure(self.app.outbox.send, ())


def backend_url(broker: str) -> str:
    """The URL with which Celery uses this backend for the Redis at ``broker``."""
    return f"{__name__}:{ChordBackend.__name__}+{broker}"
