"""A state that has something of everything, for tests that damage it."""

import shutil
from pathlib import Path

import pytest

from tests.support.states import filled


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("base") / "state.sqlite")


@pytest.fixture
def path(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(base, tmp_path / "state.sqlite"))
