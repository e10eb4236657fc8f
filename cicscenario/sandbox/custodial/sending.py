"""Sends tasks from the engine's loop, which runs none itself."""

from functools import cached_property
from typing import Any

from celery import Signature

from cicscenario.sandbox.custodial.outbox import PostingApp
from cicscenario.sandbox.custodial.settings import EngineSettings


class TaskSender:
    """A client of the broker. It opens its connection when the first task is sent."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings

    @cached_property
    def _app(self) -> PostingApp:
        app = PostingApp("cic-eth-tracker", self._settings.broker, broker=self._settings.broker)
        app.collecting = True
        return app

    def signature(self, name: str, *arguments: Any) -> Signature:
        """A task for the engine's own queue, which may be linked to another one."""
        return self._app.signature(name, args=arguments, queue=self._settings.queue)

    def send(self, name: str, *arguments: Any, queue: str | None = None, link: Signature | None = None) -> None:
        """Sends a task, at the latest with the next ``flush``; ``link`` follows it."""
        self._app.send_task(
            name, args=list(arguments), queue=queue or self._settings.queue, link=link, ignore_result=queue is not None
        )

    def flush(self) -> None:
        """Sends all tasks that are not sent yet, together. Raises RedisError."""
        self._app.outbox.send()

    def discard(self) -> None:
        """Forgets the tasks that are not sent yet."""
        self._app.outbox.clear()
