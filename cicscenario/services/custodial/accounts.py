"""Requests for accounts, in batches. Their results come by callback, or else are read from the engine's result tree."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.callbacks import Callbacks, Heard
from cicscenario.services.custodial.meaning import explain
from cicscenario.services.custodial.messages import Messages
from cicscenario.services.custodial.outcome import AccountOutcome, Created, Failed, Lost, Trace
from cicscenario.services.custodial.results import Results, TaskRecord, address_in, outcome, unregistered

_FIRST_LOOK = 1.0
_LAST_LOOK = 5.0
_SUBSCRIBE = 10.0
_PUSH = 100


class AccountRequests:
    """The account creations of one run, with callbacks on one ``channel``. Close it, or use it as a context manager.

    Safe for use by many threads, each waiting for its own people. The caller chooses the root ids: with an id that was saved
    before it was submitted, another process can go on waiting.
    """

    def __init__(self, broker: Broker, messages: Messages, channel: str, callback: str, *, register: bool) -> None:
        if not channel or ":" in channel:
            raise InvalidError(f"not a callback channel: {channel!r}", hint="a channel's name has no colon")
        self._broker = broker
        self._messages = messages
        self._results = Results(broker)
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

    def submit(self, root_ids: Sequence[str]) -> None:
        """Asks the engine for an account for each root id (the id of its first task).

        Nothing is sent before Redis has confirmed the subscription. After UnavailableError call ``recover`` before
        sending again: each hundred is taken whole or not at all, but which ones were taken is not known. An id that is
        submitted twice gets two accounts.
        """
        self._callbacks.confirmed(_SUBSCRIBE)
        self._callbacks.expect(root_ids)
        for start in range(0, len(root_ids), _PUSH):
            batch = root_ids[start : start + _PUSH]
            self._broker.push(
                [self._messages.create_account(root, self._destination, register=self._register) for root in batch]
            )

    def register(self, accounts: Mapping[str, bytes]) -> None:
        """Has the engine register 20-byte addresses that it made, each under a new root id.

        ``unregistered`` gives the failures. For an account that is registered already the engine sends a transaction that fails.
        """
        found = list(accounts.items())
        for start in range(0, len(found), _PUSH):
            self._broker.push(
                [self._messages.register_account(root, made.hex()) for root, made in found[start : start + _PUSH]]
            )

    def unregistered(self, root_ids: Sequence[str]) -> dict[str, Failed]:
        """The registrations asked for by ``register`` that are known to have failed, by root id."""
        tree = self._results.trees(root_ids)
        found = {root: unregistered(tree.get(root), tree) for root in root_ids}
        return {root: failed for root, failed in found.items() if failed}

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
                found = {**self._looked_up(pending - found.keys()), **found}
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
        """The present outcome of each, from the result tree and the queue, without waiting; also for ids of another process."""
        tree = self._results.trees(root_ids)
        outcomes = {root_id: outcome(root_id, tree) for root_id in root_ids}
        unknown = {root for root, found in outcomes.items() if isinstance(found, Lost) and found.trace is Trace.UNKNOWN}
        if unknown:
            queued = self._broker.queued(unknown)
            outcomes |= {root: self._queued() for root in queued}
            # a worker may have taken the message after the tree was read
            tree = self._results.trees(sorted(unknown - queued))
            outcomes |= {root: outcome(root, tree) for root in unknown - queued}
        return outcomes

    def _queued(self) -> Lost:
        return Lost(
            Trace.QUEUED,
            f"no worker has taken its task from the queue {self._broker.queue!r} of Redis {self._broker.address}: "
            "is the custodial engine running, and does it take tasks from this queue?",
        )

    def _looked_up(self, root_ids: Collection[str]) -> dict[str, AccountOutcome]:
        """Outcomes that are final, from the result tree."""
        tree = self._results.trees(list(root_ids))
        found = {root_id: outcome(root_id, tree) for root_id in root_ids}
        return {root_id: last for root_id, last in found.items() if not isinstance(last, Lost)}

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
        """Outcomes of creations with a failed task; ``failed`` has the failed task's id by root id."""
        looked_up = self._looked_up(failed)
        entries = self._results.read([task_id for task_id in failed.values() if isinstance(task_id, str)])
        found: dict[str, AccountOutcome] = {}
        for root_id, task_id in failed.items():
            # the tree is incomplete while a parent's record is written after its child's
            reason = _announced(root_id, task_id, entries.get(task_id) if isinstance(task_id, str) else None)
            last = looked_up.get(root_id) or created.get(root_id) or reason
            found[root_id] = Created(last.address, last.unregistered or reason) if isinstance(last, Created) else last
        return found


def _announced(root_id: str, task_id: Any, entry: TaskRecord | None) -> Failed:
    """The failure of one task; its name follows from its place in the tree."""
    if entry is None:
        return Failed(
            "an unknown task", "unknown exception", str(task_id)[:100], "the custodial engine says that it failed"
        )
    task = tasks.CHECK_LOCK if task_id == root_id else tasks.CREATE if entry.parent == root_id else tasks.REGISTER
    return explain(task, entry.result)
