"""A package whose modules are imported on first use has each of them, and says of anything else that it is not there."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cicscenario.backends import work as backends
from cicscenario.checks import work as checks
from cicscenario.steps import work as steps


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package with the modules ``one``, and ``broken``, whose own import fails."""
    folder = tmp_path / "lateness"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from cicscenario.capabilities.deferred import on_first_use\n__getattr__ = on_first_use(__name__)\n"
    )
    (folder / "one.py").write_text("NUMBER = 1\n")
    (folder / "broken.py").write_text("import no_such_client\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("lateness")
    for name in [name for name in sys.modules if name.partition(".")[0] == "lateness"]:
        del sys.modules[name]


def test_a_module_is_imported_when_it_is_first_used(package: ModuleType) -> None:
    assert "lateness.one" not in sys.modules
    assert package.one.NUMBER == 1
    assert package.one is sys.modules["lateness.one"]


@pytest.mark.parametrize("name", ["two", "__wrapped__", "__path_hooks__"])
def test_what_is_no_module_of_it_is_not_there(package: ModuleType, name: str) -> None:
    assert not hasattr(package, name)


def test_a_module_that_cannot_be_imported_is_not_taken_for_one_that_is_not_there(package: ModuleType) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_client"):
        _ = package.broken


@pytest.mark.parametrize("work", [backends, checks, steps], ids=lambda module: module.__name__)
def test_every_module_that_the_type_checker_knows_is_there(work: ModuleType) -> None:
    assert work.__file__
    known = [line.split()[-1] for line in Path(work.__file__).read_text().splitlines() if " as " in line]
    assert len(known) >= 5
    assert [name for name in known if not hasattr(work, name)] == []
