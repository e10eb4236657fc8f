"""The transactions that the engine has made with the keys of accounts, whoever asked for them, and tasks that may make more.

The engine's tables have each transaction of an account as soon as it is signed, sent or not. Before, it is a message on the
queue that has the account's address in it. Source: cic-eth 0.12.10, ``cic_eth.queue.query.get_account_tx``, which gives the
signed bytes by hash.
"""

import base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from cicscenario.jsontext import parse_json
from cicscenario.services.custodial import tasks
from cicscenario.services.custodial.broker import Broker
from cicscenario.services.custodial.outcome import Failed, Lost
from cicscenario.services.custodial.pending import fetched_hashes
from cicscenario.services.custodial.questions import Questions
from cicscenario.services.custodial.results import TaskRecord

_LONGEST = 600.0  # seconds without an end to the answers
_PAGE = 200  # messages in one read


SignedByHash = Mapping[bytes, bytes]  #: the bytes of signed transactions, sent or not, by hash


class AccountTransactions:
    """Looks them up on the queue of ``broker``, and raises what it raises. ``chain`` is the chain spec as tasks have it."""

    def __init__(self, broker: Broker, questions: Questions, chain: Mapping[str, Any]) -> None:
        self._broker = broker
        self._questions = questions
        self._chain = chain

    def of(self, accounts: Sequence[bytes], timeout: float) -> dict[bytes, SignedByHash | Failed | Lost]:
        """The transactions from and to each account; Failed or Lost where they are not known. ``timeout`` is in seconds."""
        calls: list[tuple[str, list[Any]]] = [
            (tasks.ACCOUNT_TRANSACTIONS, [self._chain, account.hex()]) for account in accounts
        ]
        answers = self._questions.ask(calls, timeout, _LONGEST)
        return {
            account: _signed(answer.result) if isinstance(answer, TaskRecord) else answer
            for account, answer in zip(accounts, answers, strict=True)
        }

    def waiting(self, accounts: Collection[bytes]) -> set[bytes]:
        """Those of the accounts for which a task waits, on the queue or with a worker that has not begun it."""
        wanted = {account.hex(): account for account in accounts}
        found: set[bytes] = set()
        for text in self._messages() if wanted else ():
            words = _body(text)
            found |= {account for address, account in wanted.items() if address in words}
        return found

    def _messages(self) -> Iterator[Any]:
        for text in self._broker.messages():
            yield _parsed(text)
        for name in self._broker.read(fetched_hashes):
            texts = self._broker.read(lambda client, name=name: list(client.hscan_iter(name, count=_PAGE)))  # type: ignore[misc]
            for _, text in texts:
                entry = _parsed(text)
                yield entry[0] if isinstance(entry, list) and entry else None


def _signed(result: Any) -> SignedByHash:
    found = result.items() if isinstance(result, dict) else ()
    return {_bytes(digest): _bytes(raw) for digest, raw in found}


def _bytes(text: str) -> bytes:
    """Hexadecimal, with or without 0x."""
    return bytes.fromhex(text.removeprefix("0x"))


def _parsed(text: bytes) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return None


def _body(message: Any) -> str:
    """Arguments of a task and of those that follow it; empty for what is no message of Celery's protocol 2."""
    try:
        return base64.b64decode(message["body"]).decode("utf-8", "replace").lower()
    except (ValueError, KeyError, TypeError):
        return ""
