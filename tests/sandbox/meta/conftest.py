"""Metadata servers on free ports, ended with the test, with a key pair that is made once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cicscenario.sandbox.meta.keys import WriterKeys, ensure_keys
from tests.support.running_meta import RunningMeta


@pytest.fixture(scope="session")
def writer_keys(tmp_path_factory: pytest.TempPathFactory) -> WriterKeys:
    return ensure_keys(tmp_path_factory.mktemp("keys"))


def _end(server: RunningMeta) -> None:
    if server.process is not None and server.process.poll() is None:
        server.stop()


@pytest.fixture
def meta_with(tmp_path: Path, writer_keys: WriterKeys) -> Iterator[Callable[..., RunningMeta]]:
    """Starts servers with the faults that are given."""
    servers: list[RunningMeta] = []

    def start(*faults: str) -> RunningMeta:
        servers.append(RunningMeta(tmp_path / f"meta{len(servers)}", writer_keys, *faults))
        return servers[-1].start()

    yield start
    for server in servers:
        _end(server)


@pytest.fixture(scope="module")
def meta(tmp_path_factory: pytest.TempPathFactory, writer_keys: WriterKeys) -> Iterator[RunningMeta]:
    """One server without faults for all tests of a file."""
    server = RunningMeta(tmp_path_factory.mktemp("meta") / "data", writer_keys).start()
    yield server
    _end(server)
