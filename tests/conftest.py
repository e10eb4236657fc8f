"""What many tests need: sandboxes on free ports in temporary folders, ended with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests_support import Sandbox

from cicscenario.sandbox import stack


@pytest.fixture
def sandbox_of(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Makes sandboxes of a node and a contract generation."""
    homes: list[Path] = []

    def make(node: str = "embedded", contracts: str = "classic") -> Sandbox:
        home = tmp_path / f"home{len(homes)}"
        homes.append(home)
        return Sandbox(home, stack.up(home, node=node, contracts=contracts).environment)

    yield make
    for home in homes:
        stack.down(home)


@pytest.fixture
def sandbox(sandbox_of: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox with the embedded node and the classic contracts."""
    return sandbox_of()


SCENARIO = """
version: 1
name: small
population: {size: 12, seed: 5}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: light}}
environment: sandbox
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A scenario of twelve people."""
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    return path
