"""One sandbox with an engine for all tests of a file: it takes seconds to start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running_engine import Listener, RunningEngine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    home: Path = tmp_path_factory.mktemp("engine")
    running = RunningEngine(home)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def listener(engine: RunningEngine) -> Iterator[Listener]:
    with engine.listen() as listening:
        yield listening
