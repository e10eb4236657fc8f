"""Real Valkey and PostgreSQL, a small custodial engine, a small metadata server, and phone interfaces on top of them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.fake_engine import FakeEngine
from tests.support.fake_meta import FakeMeta, signer
from tests.support.postgres import Postgres
from tests.support.ussd_world import World
from tests.support.valkey import Valkey


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def meta() -> Iterator[FakeMeta]:
    with FakeMeta() as server:
        yield server


@pytest.fixture(scope="session")
def running_engine(valkey: Valkey) -> Iterator[FakeEngine]:
    with FakeEngine(valkey.url) as running:
        yield running


class Worlds:
    """Phone interfaces, of which only one can run at a time; the last is kept for who wants the same again."""

    def __init__(self, make: Callable[..., World]) -> None:
        self._make = make
        self._settings: dict[str, Any] = {}
        self._kept: World | None = None

    def kept(self, **settings: Any) -> World:
        """One with these settings, maybe used before, but empty."""
        if self._kept is None or settings != self._settings:
            self.close()
            self._settings, self._kept = settings, self._make(**settings)
        self._kept.sql("TRUNCATE account, ussd_session, task_tracker")
        return self._kept

    def fresh(self, **settings: Any) -> World:
        """A new one, which is the caller's to close."""
        self.close()
        return self._make(**settings)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


@pytest.fixture(scope="session")
def all_worlds(valkey: Valkey, postgres: Postgres, meta: FakeMeta, running_engine: FakeEngine) -> Iterator[Worlds]:
    made = Worlds(lambda **settings: World(valkey, postgres, meta, running_engine, signer(), **settings))
    yield made
    made.close()


@pytest.fixture
def worlds(all_worlds: Worlds, running_engine: FakeEngine, valkey: Valkey, meta: FakeMeta) -> Worlds:
    """The same, with nothing left of the test before."""
    running_engine.clear()
    valkey.client.flushdb()
    meta.clear()
    return all_worlds


@pytest.fixture
def world(worlds: Worlds) -> World:
    """A phone interface as it is without options."""
    return worlds.kept()


@pytest.fixture
def open_world(worlds: Worlds) -> Iterator[Callable[..., World]]:
    """Starts phone interfaces with the given settings, each with an empty database; they end with the test."""
    opened: list[World] = []

    def start(**settings: Any) -> World:
        opened.append(worlds.fresh(**settings))
        return opened[-1]

    yield start
    for world in opened:
        world.close()
