"""A home folder of the test's own; whatever runs in it is ended with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.sandbox import stack
from tests.support.sandboxes import NODES


@pytest.fixture(params=NODES)
def node(request: pytest.FixtureRequest) -> str:
    """Both kinds of node, one after the other."""
    kind: str = request.param
    return kind


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    stack.down(tmp_path / "home", purge=True)
