"""One run at a time sends with a signer on a chain; copies of a chain are chains of their own."""

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cicscenario.chain.lock import signer_lock
from cicscenario.errors import StateRefusedError
from cicscenario.state import lock


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "user_places", lambda: [tmp_path / "locks"])


def session(copy: str | None, genesis: str = "ab") -> Any:
    """What the lock looks at."""
    return SimpleNamespace(
        chain_id=8996,
        genesis=f"0x{genesis * 32}",
        signer=SimpleNamespace(address=bytes(20)),
        environment=SimpleNamespace(copy=copy),
    )


def held_together(*sessions: Any) -> bool:
    with ExitStack() as held:
        try:
            for each in sessions:
                held.enter_context(signer_lock(each))
        except StateRefusedError:
            return False
        return True


def test_a_second_run_is_refused_and_the_next_is_not() -> None:
    first, second = signer_lock(session(None)), signer_lock(session(None))
    with first, pytest.raises(StateRefusedError, match="the signer 0x0000"):
        second.__enter__()
    assert held_together(session(None))
    assert held_together(session(None), session(None, genesis="cd"))


def test_runs_on_two_copies_of_a_chain_do_not_exclude_each_other() -> None:
    assert held_together(session("one"), session("two"), session("three"))
    assert not held_together(session("one"), session("two"), session("one"))


def test_a_run_that_names_no_copy_excludes_all() -> None:
    assert not held_together(session(None), session("one"))
    assert not held_together(session("one"), session("two"), session(None))
