"""The reader of a queue waits without asking, and ends at once when it is to."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.sandbox.ussd import inbox as inboxes
from cicscenario.sandbox.ussd.inbox import Inbox, Reader
from tests.support.valkey import Valkey
from tests.support.waiting import eventually


@pytest.fixture
def quiet_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A server that nobody else uses."""
    with Valkey(tmp_path) as valkey:
        yield valkey


def commands(valkey: Valkey) -> int:
    """How many commands the server has carried out."""
    return int(valkey.client.info("stats")["total_commands_processed"])  # type: ignore[index]


def test_it_sends_nothing_while_it_waits_and_ends_when_it_is_to(
    quiet_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    valkey = quiet_valkey
    monkeypatch.setattr(inboxes, "_PATIENCE", 3600.0)  # whoever waits to the end of it does not end in this test
    handled: list[str] = []
    stop = threading.Event()
    reader = Reader(Inbox(valkey.url, "inbox-test"), 0, lambda messages, again: handled.extend(messages), stop)
    reader.start()
    valkey.client.lpush("inbox-test", "first")
    eventually(lambda: handled == ["first"])
    eventually(lambda: _blocked(valkey) == 1)
    before = commands(valkey)
    assert not threading.Event().wait(0.5)
    assert commands(valkey) - before == 1, "the question itself"
    stop.set()
    reader.end()
    assert not reader.is_alive()
    valkey.client.lpush("inbox-test", "second")
    assert valkey.client.lrange("inbox-test", 0, -1) == ["second"], "it took nothing with it"


def _blocked(valkey: Valkey) -> int:
    return int(valkey.client.info("clients")["blocked_clients"])  # type: ignore[index]
