"""A task's message as it is in Redis, and what Celery's own code makes of it in the cases that are rare."""

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any

from celery import Celery
from celery.exceptions import InvalidTaskError
from celery.utils.time import maybe_iso8601, maybe_make_aware
from celery.worker.request import Request
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.message import Message as Received
from kombu.serialization import prepare_accept_content
from kombu.utils.json import loads

from cicscenario.jsontext import parse_json

JSON, UTF8 = "application/json", "utf-8"


@dataclass(eq=False)
class TaskMessage:
    """One message. ``key`` is the Redis list that it came from, ``raw`` its text."""

    key: bytes
    raw: bytes
    headers: dict[str, Any]
    properties: dict[str, Any]
    document: dict[str, Any] = field(repr=False)
    wait: float = 0.0  #: seconds until the task may run, from when the message was read
    is_noted: bool = False  #: whether it is in ``unacked``

    @property
    def tag(self) -> str:
        return str(self.properties["delivery_tag"])

    @property
    def id(self) -> str:
        return str(self.headers["id"])

    @property
    def name(self) -> str:
        return str(self.headers["task"])

    @property
    def delivery(self) -> tuple[str, str]:
        """Exchange and routing key."""
        delivery = self.properties["delivery_info"]
        return delivery["exchange"], delivery["routing_key"]

    def note(self) -> str:
        """What kombu keeps in ``unacked``."""
        exchange, key = self.delivery
        return f"[{self.raw.decode()}, {json.dumps(exchange)}, {json.dumps(key)}]"

    def put_back(self) -> str:
        """The text with which kombu puts a message back."""
        redelivered = {**self.properties["delivery_info"], "redelivered": True}
        return json.dumps(
            {
                **self.document,
                "headers": {**self.headers, "redelivered": True},
                "properties": {**self.properties, "delivery_info": redelivered},
            }
        )


def read(key: bytes, raw: bytes) -> TaskMessage:
    """Reads a message. Raises ValueError, KeyError, TypeError or AttributeError if it is not of a task of Celery 4 or 5."""
    document = parse_json(raw)
    headers, properties = document["headers"], document["properties"]
    message = TaskMessage(key, raw, headers, properties, document)
    if not all(isinstance(text, str) for text in (headers["id"], headers["task"], properties["delivery_tag"])):
        raise TypeError("id, task and delivery_tag are texts")
    if headers.get("eta") is not None:
        message.wait = maybe_make_aware(maybe_iso8601(headers["eta"])).timestamp() - time.time()
    if not all(isinstance(text, str) for text in message.delivery):
        raise TypeError("exchange and routing_key are texts")
    return message


def body_of(document: dict[str, Any]) -> Any:
    """Arguments, keywords and the embedded links of a message. Raises what decoding them raises."""
    body, properties = document["body"], document["properties"]
    kind, encoding = document.get("content-type"), document.get("content-encoding")
    if kind != JSON or str(encoding).lower() != UTF8:
        raise ContentDisallowed(f"content of type {kind} in {encoding}")
    text = base64.b64decode(body) if properties.get("body_encoding") == "base64" else body
    return loads(text)  # type: ignore[no-untyped-call]


def request_of(app: Celery, message: TaskMessage, hostname: str) -> Any:
    """Celery's own request of a task, which knows how to revoke it and what to do when its process was killed.

    None for a task that the application does not have, or whose message Celery cannot read.
    """
    body = message.document["body"]
    received = Received(  # type: ignore[no-untyped-call]
        base64.b64decode(body) if message.properties.get("body_encoding") == "base64" else body,
        delivery_tag=message.tag,
        content_type=message.document.get("content-type"),
        content_encoding=message.document.get("content-encoding"),
        delivery_info=message.properties["delivery_info"],
        properties=message.properties,
        headers=message.headers,
        accept=prepare_accept_content(app.conf.accept_content),  # type: ignore[no-untyped-call]
    )
    try:
        return Request(received, app=app, hostname=hostname, task=app.tasks[message.name])
    except (KeyError, TypeError, ValueError, InvalidTaskError, ContentDisallowed, DecodeError):
        return None
