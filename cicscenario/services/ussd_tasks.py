"""What cic-ussd keeps in Redis: the accounts that it has asked the custodial engine for, and the tasks of its tasker.

For each account that is being made, cic-ussd has a key of its own, named by the id of the engine's first task:
``{"phone_number": ..., "sms_notification_sent": false, "status": "PENDING", "task_uuid": ...}``. When the engine has
reported the account, the status is ``CREATED``, and the key is deleted three minutes later. The tasker takes its tasks from
the queue ``cic-ussd``. Source: cic-ussd 0.3.1a7, ``cic_ussd.account.chain`` and ``cic_ussd.tasks``; recordings of its messages.
"""

import base64
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cicscenario.errors import UnavailableError
from cicscenario.jsontext import parse_json
from cicscenario.services.custodial.broker import Broker, list_of, of_type
from cicscenario.services.custodial.pending import fetched_hashes

QUEUE = "cic-ussd"
FETCHED_FOR = 3660.0  #: seconds after which Redis has given back what a killed tasker had fetched, for sure
_KEYS = "????????-????-????-????-????????????"  # the form of a task's id
_BINDING = "_kombu.binding."  # kombu's set for a queue that a program has declared
_TASKS = "cic_ussd."  # what the names of the tasker's tasks begin with
_PAGE = 500


@dataclass(frozen=True)
class Creation:
    """An account that cic-ussd has asked for. ``root`` is the id of the engine's first task.

    ``reported`` says that the tasker has begun to handle the engine's report; it may have failed since.
    """

    root: str
    phone: str
    reported: bool


@dataclass(frozen=True)
class WaitingTask:
    """A task of the tasker that has not begun. ``root`` is the id of the first task of its tree.

    ``fetched`` says that a tasker has taken it from the queue. If that tasker was killed, Redis gives the task to another one
    after the visibility timeout, which is an hour.
    """

    id: str
    name: str
    root: str
    arguments: tuple[Any, ...]
    fetched: bool

    def concerns(self, root: str | None, address: bytes | None) -> bool:
        """Whether it belongs to the account with this first task or with this address."""
        return self.root == root or (address is not None and address.hex() in self.arguments)


class UssdTasks:
    """Reads them from the Redis of ``broker``, whose queue must be the tasker's. Changes nothing.

    Raises UnavailableError when Redis cannot be reached.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    @property
    def address(self) -> str:
        """Where the tasks are, for messages."""
        return f"queue {self._broker.queue!r} of Redis {self._broker.address}"

    def creations(self) -> list[Creation]:
        """All accounts that are being made, or were reported less than three minutes ago.

        Reads the names of all keys. An empty list does not show that there are none: cic-ussd may have them in another database.
        """
        names = self._broker.read(
            lambda client: list_of(bytes, list(client.scan_iter(match=_KEYS, count=1000, _type="string")))
        )
        found = []
        for start in range(0, len(names), _PAGE):
            page = names[start : start + _PAGE]
            texts = self._broker.read(lambda client, page=page: list_of(bytes | None, client.mget(page), len(page)))  # type: ignore[misc]
            found += [made for name, text in zip(page, texts, strict=True) if (made := _creation(name, text))]
        return found

    def is_known(self) -> bool:
        """Whether this Redis has the tasker's queue: a program has declared it here."""
        return bool(self._broker.read(lambda client: of_type(int, client.exists(_BINDING + self._broker.queue))))

    def waiting(self) -> list[WaitingTask]:
        """The tasks on the tasker's queue, and those that it has fetched and not begun."""
        queued = [task for text in self._broker.messages() if (task := _task(_parsed(text), fetched=False))]
        return queued + list(self._fetched())

    def left(self, accounts: Collection[bytes]) -> dict[bytes, str]:
        """The tasks that the tasker has not begun, in words, for those of these accounts (20 bytes) that have any.

        Raises UnavailableError, too, when this Redis does not have the tasker's queue.
        """
        if not self.is_known():
            raise UnavailableError(f"no program has declared the {self.address}")
        waiting = self.waiting()
        return {account: why for account in accounts if (why := self.words(waiting, None, account))}

    def words(self, waiting: Sequence[WaitingTask], root: str | None, account: bytes) -> str | None:
        """Those of the ``waiting`` tasks that belong to one account, in words; None when there are none."""
        mine = [task for task in waiting if task.concerns(root, account)]
        if not mine:
            return None
        names = ", ".join(sorted({task.name.rpartition(".")[2] for task in mine}))
        if any(not task.fetched for task in mine):
            return f"{names} of cic-ussd's tasker waits in the {self.address}"
        return (
            f"{names} of cic-ussd's tasker waits in `unacked` of the {self.address}: a tasker has fetched it and not begun;"
            " if that tasker was killed, Redis gives it to another one within an hour"
        )

    def _fetched(self) -> Iterator[WaitingTask]:
        for name in self._broker.read(fetched_hashes):
            texts = self._broker.read(lambda client, name=name: list(client.hscan_iter(name, count=_PAGE)))  # type: ignore[misc]
            for _, text in texts:
                entry = _parsed(text)
                if isinstance(entry, list) and entry and (task := _task(entry[0], fetched=True)):
                    yield task


def _parsed(text: bytes | None) -> Any:
    try:
        return None if text is None else parse_json(text)
    except ValueError:
        return None


def _creation(name: bytes, text: bytes | None) -> Creation | None:
    """The creation that a key describes; None for a key of another program."""
    entry, root = _parsed(text), name.decode("ascii", "replace")
    if not isinstance(entry, dict) or entry.get("task_uuid") != root or not isinstance(entry.get("phone_number"), str):
        return None
    return Creation(root, entry["phone_number"], reported=entry.get("status") != "PENDING")


def _task(message: Any, *, fetched: bool) -> WaitingTask | None:
    """A message of Celery's protocol 2 for the tasker; None for any other."""
    try:
        headers = message["headers"]
        arguments, *_ = parse_json(base64.b64decode(message["body"]))
        task, name, root = str(headers["id"]), str(headers["task"]), str(headers["root_id"] or headers["id"])
    except (ValueError, KeyError, TypeError):
        return None
    return WaitingTask(task, name, root, tuple(arguments), fetched) if name.startswith(_TASKS) else None
