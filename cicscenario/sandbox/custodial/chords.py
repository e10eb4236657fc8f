"""Chords of Celery 4.4 clients: the phone interface asks for balances with them.

The backend of Celery 5 reads how many results a chord waits for from a Redis key that a Celery 5 client writes. A Celery
4.4 client writes it into the chord's last task instead, which every task of the chord carries. Without this the last task
of such a chord would never run.
"""

from typing import Any

from celery.backends.redis import RedisBackend


class ChordBackend(RedisBackend):  # type: ignore[misc]
    """The Redis result backend, which also knows the size of a chord of Celery 4.4."""

    def on_chord_part_return(self, request: Any, state: str, result: Any, propagate: Any = None, **kwargs: Any) -> None:
        size = (request.chord or {}).get("chord_size")
        if size is not None and request.group:
            self.client.set(self.get_key_for_group(request.group, ".s"), size, nx=True, ex=self.expires)
        super().on_chord_part_return(request, state, result, propagate, **kwargs)


def backend_url(broker: str) -> str:
    """The URL with which Celery uses this backend for the Redis at ``broker``."""
    return f"{__name__}:{ChordBackend.__name__}+{broker}"
