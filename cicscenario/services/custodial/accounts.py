"""Requests for accounts, in batches. Their results come by callback, or else are read from the engine's result tree."""

import time
from collections.abc import Collection, Sequence
from typing import Any, cast

from cicscenario.boundaries import Boundary
from cicscenario.errors import InvalidError
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.callbacks import Callbacks, Heard
from cicscenario.services.custodial.meaning import explain
from cicscenario.services.custodial.messages import Messages
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Signing
from cicscenario.services.custodial.results import Results, TaskRecord, address_in
from cicscenario.services.custodial.tracing import Tracer

_CREATE = Boundary("engine.create")  # requests for accounts that are in the state
_FIRST_LOOK = 1.0
_LAST_LOOK = 5.0
_SUBSCRIBE = 10.0


class AccountRequests:
    """The account creations of one run, with callbacks on one ``channel``. Close it, or use it as a context manager.

    Safe for use by many threads, each waiting for its own people. The caller chooses the root ids: with an id that was saved
    before it was submitted, another process can go on waiting.
    """

    def __init__(
        self, broker: Broker, messages: Messages, tracer: Tracer, channel: str, callback: str, *, register: bool
    ) -> None:
        if not channel or ":" in channel:
            raise InvalidError(f"not a callback channel: {channel!r}", hint="a channel's name has no colon")
        self._broker = broker
        self._messages = messages
        self._results = Results(broker)
        self._tracer = tracer
        self._destination = f"{callback}:{channel}"
        self._register = register
        self._callbacks = Callbacks(broker, channel)

    def __enter__(self) -> "AccountRequests":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops listening. What was submitted goes on in the engine."""
        self._callbacks.close()

    def ready(self) -> None:
        """Returns once Redis has confirmed the subscription. Raises UnavailableError when it does not."""
        self._callbacks.confirmed(_SUBSCRIBE)

    def submit(self, root_ids: Sequence[str]) -> None:
        """Asks the engine for an account for each root id (the id of its first task).

        Nothing is sent before Redis has confirmed the subscription (``ready``). After UnavailableError call ``recover`` before
        sending again: each hundred is taken whole or not at all, but which ones were taken is not known. An id that is
        submitted twice gets two accounts.
        """
        self.ready()
        self._callbacks.expect(root_ids)
        with _CREATE:
            self._broker.push_in_parts(
                self._messages.create_account(root, self._destination, register=self._register) for root in root_ids
            )

    def wait(self, root_ids: Collection[str], deadline: float) -> dict[str, AccountOutcome]:
        """The outcome of each, as soon as there is one; Lost for those without one at ``deadline`` (of time.monotonic).

        Callbacks count at once. For those that do not come the result tree is read, after each loss of the connection and
        every few seconds. Raises UnavailableError while Redis cannot be reached.
        """
        pending = set(root_ids)
        outcomes: dict[str, AccountOutcome] = {}
        new = self._callbacks.expect(pending)
        interval = _FIRST_LOOK
        look = time.monotonic() + (0 if new else interval)  # a resumed run has missed earlier callbacks
        gaps = self._callbacks.gaps
        while pending:
            heard = self._callbacks.take(pending, gaps, min(look, deadline))
            found = self._judge(heard)
            if time.monotonic() >= look or gaps != self._callbacks.gaps:
                gaps = self._callbacks.gaps
                found = {**self._tracer.final(pending - found.keys()), **found}
                interval = min(interval * 1.5, _LAST_LOOK)
                look = time.monotonic() + interval
            outcomes |= found
            pending -= found.keys()
            self._callbacks.forget(found)
            if time.monotonic() >= deadline:
                break
        final = self.recover(sorted(pending))
        self._callbacks.forget([root_id for root_id, last in final.items() if not isinstance(last, Lost)])
        return outcomes | final

    def recover(self, root_ids: Sequence[str]) -> dict[str, AccountOutcome]:
        """The present outcome of each, from results, queue and workers, without waiting; also for ids of another process."""
        return self._tracer.outcomes(root_ids)

    def registrations(self, root_ids: Sequence[str]) -> dict[str, Signing]:
        """How far the registration of each is; those whose account has not been created are left out."""
        return self._tracer.registrations(root_ids)

    def _judge(self, heard: dict[str, list[Heard]]) -> dict[str, AccountOutcome]:
        """Outcomes of the callbacks heard. A failure is looked up in the tree, since the account may exist nevertheless."""
        found: dict[str, AccountOutcome] = {}
        failed: dict[str, Any] = {}
        for root_id, messages in heard.items():
            addresses = [address for status, result in messages if status == 0 and (address := address_in(result))]
            errors = [result for status, result in messages if status != 0]
            if addresses:
                found[root_id] = Created(addresses[0])
            if errors:
                failed[root_id] = errors[0]
        if failed:
            found |= self._failures(failed, found)
        return found

    def _failures(self, failed: dict[str, Any], created: dict[str, AccountOutcome]) -> dict[str, AccountOutcome]:
        """Outcomes of creations with a failed task; ``failed`` has the failed task's id by root id.

        A task after the creation that fails leaves an account. Until its address is known there is no outcome.
        """
        looked_up = self._tracer.final(failed)
        entries = self._results.read([task_id for task_id in failed.values() if isinstance(task_id, str)])
        found: dict[str, AccountOutcome] = {}
        for root_id, task_id in failed.items():
            # the tree is incomplete while a parent's record is written after its child's
            reason = self._announced(root_id, task_id, entries.get(task_id) if isinstance(task_id, str) else None)
            last = looked_up.get(root_id) or created.get(root_id)
            if isinstance(last, Created):
                found[root_id] = Created(last.address, last.unregistered or reason)
            elif last or (reason and reason.task in (tasks.CHECK_LOCK, tasks.CREATE)):
                found[root_id] = last or cast("Failed", reason)
        return found

    def _announced(self, root_id: str, task_id: Any, entry: TaskRecord | None) -> Failed | None:
        """The failure of one task, whose name follows from its place in the tree; None while it has no record."""
        if entry is None:
            return None
        task = tasks.CHECK_LOCK if task_id == root_id else tasks.CREATE if entry.parent == root_id else tasks.REGISTER
        return explain(task, entry.result, self._messages.spec)
