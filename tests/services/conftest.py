"""What tests of more than one client need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.valkey import Valkey


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Valkey]:
    """A broker without a worker."""
    with Valkey(tmp_path) as valkey:
        yield valkey
