"""Counts the workers that take tasks from a queue, by Celery's remote control.

The question is published to all workers of a Redis database, and each answers with the names of its queues. Workers may have
remote control switched off. Source: ``kombu.pidbox``, ``kombu.transport.redis`` and ``celery.worker.control.active_queues``.
"""

import base64
import json
import time
import uuid
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from cicscenario.boundaries import Boundary
from cicscenario.jsontext import parse_json
from cicscenario.services.custodial.broker import Broker, of_type

_ASK = Boundary("engine.ask_workers")
_EXCHANGE = "celery.pidbox"
_REPLIES = f"reply.{_EXCHANGE}"
_SEPARATOR = "\x06\x16"  # between routing key, pattern and queue in kombu's bindings


def count_workers(broker: Broker, timeout: float = 1.0) -> int | None:
    """The number of workers that take tasks from the broker's queue; None when it cannot be had.

    Waits for all workers that hear the question, for ``timeout`` seconds at most. Raises what ``Broker.read`` raises.
    """
    return broker.read(lambda client: _count(client, broker.queue, timeout))


def _count(client: "Redis", queue: str, timeout: float) -> int | None:
    ticket = str(uuid.uuid4())
    replies = f"{ticket}.{_REPLIES}"
    binding = _SEPARATOR.join((ticket, "", replies))
    database = client.connection_pool.connection_kwargs.get("db", 0) or 0
    try:
        with _ASK:
            client.sadd(f"_kombu.binding.{_REPLIES}", binding)
            try:
                hearing = of_type(int, client.publish(f"/{database}.{_EXCHANGE}", _question(ticket, timeout)))
                answers = _answers(client, replies, hearing, timeout)
            finally:
                client.srem(f"_kombu.binding.{_REPLIES}", binding)
                client.delete(replies)
    except ResponseError:  # Redis does not let this user ask
        return None
    return sum(queue in queues for queues in answers) if answers else None


def _question(ticket: str, timeout: float) -> str:
    body = {
        "method": "active_queues", "arguments": {}, "destination": None, "pattern": None, "matcher": None,
        "ticket": ticket, "reply_to": {"exchange": _REPLIES, "routing_key": ticket},
    }  # fmt: skip
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {"clock": 1, "expires": time.time() + timeout + 60},
            "properties": {
                "delivery_mode": 2,
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
                "delivery_info": {"exchange": _EXCHANGE, "routing_key": ""},
            },
        }
    )


def _answers(client: "Redis", replies: str, hearing: int, timeout: float) -> list[set[str]]:
    """The names of each worker's queues; one answer of each of ``hearing`` workers, or those that came in time."""
    found: list[set[str]] = []
    deadline = time.monotonic() + timeout
    while len(found) < hearing and (left := deadline - time.monotonic()) > 0:
        taken: Any = client.blpop([replies], timeout=max(left, 0.05))
        if taken is None:
            break
        found.append(_queues(of_type((list, tuple), taken)[1]))
    return found


def _queues(text: bytes) -> set[str]:
    try:
        answer = parse_json(base64.b64decode(parse_json(text)["body"]))
        return {str(queue["name"]) for queues in answer.values() for queue in queues}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()
