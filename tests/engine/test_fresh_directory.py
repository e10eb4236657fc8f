"""A run that begins anew has a directory of its own, which git leaves alone as it did the earlier one."""

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cicscenario.engine.run import start_fresh
from cicscenario.files import own_folder
from cicscenario.state.store import STATE, Store


def test_the_new_directory_is_kept_out_of_repositories_too(tmp_path: Path) -> None:
    directory = own_folder(tmp_path / "run")
    Store(directory / STATE).close()
    with ExitStack() as held:
        this: Any = SimpleNamespace(directory=directory, held=held, listener=lambda event: None, store=None)
        start_fresh(this)
    assert (directory / ".gitignore").read_text() == "*\n"
    (kept,) = tmp_path.glob("run.*")
    assert (kept / ".gitignore").exists()
