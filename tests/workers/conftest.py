"""A Valkey for tasks, and times that are short enough for tests."""

from collections.abc import Iterator

import pytest

from cicscenario.workers import pool as pool_module
from cicscenario.workers import worker as worker_module
from tests.support.valkey import Valkey
from tests.support.worker_meta import ClientsMeta


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as made:
        yield made


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    server.client.flushall()
    return server


@pytest.fixture
def meta() -> Iterator[ClientsMeta]:
    with ClientsMeta() as server:
        yield server


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short, and a task is lost after half a second."""
    monkeypatch.setattr(worker_module, "_REFUSED", 0.01)
    monkeypatch.setattr(pool_module, "_LISTEN", 0.05)
    monkeypatch.setattr(pool_module, "_LOOK_EVERY", 0.1)
    monkeypatch.setattr(pool_module, "LOST", 0.5)
