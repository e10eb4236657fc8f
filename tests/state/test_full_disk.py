"""The disk is full, or gives an error, at the n-th change of a file, for every n: the state is the old one or the new one."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cicscenario.errors import UnavailableError
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store
from tests.support.failing_disk import BROKEN, FULL, FailingDisk, failing_disk
from tests.support.states import WRITES, content, filled, person, writers

#: How the disk fails: from then on, or once; with nothing written, or half of it.
FAILURES: dict[str, dict[str, Any]] = {
    "full": {"code": FULL, "torn": True},
    "broken once": {"code": BROKEN, "times": 1},
}


@pytest.fixture
def disk() -> Iterator[FailingDisk]:
    with failing_disk() as disk:
        yield disk


@pytest.fixture(autouse=True)
def _one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are written again are the same."""
    monkeypatch.setattr(Store, "now", lambda _: 1_600_000_000)


def is_one_line(error: UnavailableError, path: Path) -> None:
    assert str(path) in error.message
    assert "\n" not in error.message
    assert error.hint


@pytest.mark.parametrize("how", FAILURES.values(), ids=FAILURES)
def test_a_state_is_made_whole_or_not_at_all(tmp_path: Path, disk: FailingDisk, how: dict[str, Any]) -> None:
    for number in range(1, 1000):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "state.sqlite"
        disk.fail(number, **how)
        try:
            Store(path).close()
        except UnavailableError as error:
            is_one_line(error, path)
        failed = disk.failed
        disk.mend()
        if path.exists():
            alone = folder / "alone.sqlite"
            shutil.copy(path, alone)  # without its log, which a crash of the machine may have taken
            with closing(sqlite3.connect(alone)) as db:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert db.execute("SELECT count(*) FROM people").fetchall() == [(0,)]
        else:
            assert list(folder.iterdir()) == [], "nothing is left behind"
        store = Store(path)  # the same command again
        store.commit("population", [Outcome(0, ok=True)], people=[person(0)])
        store.close()
        if not failed:
            assert number > 10
            return
    raise AssertionError("it never came to an end")


def test_every_method_that_writes_is_tried() -> None:
    assert set(WRITES) == writers()


@pytest.mark.parametrize("how", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("name", WRITES)
def test_a_transaction_is_written_whole_or_not_at_all(
    tmp_path: Path, disk: FailingDisk, name: str, how: dict[str, Any]
) -> None:
    base = filled(tmp_path / "base.sqlite")
    done = Path(shutil.copy(base, tmp_path / "done.sqlite"))
    store = Store(done)
    WRITES[name](store)
    store.close()
    before, after = content(base), content(done)
    assert before != after
    for number in range(1, 1000):
        path = Path(shutil.copy(base, tmp_path / f"{number}.sqlite"))
        store = Store(path)
        disk.fail(number, **how)
        try:
            WRITES[name](store)
            assert content(path) == after
        except UnavailableError as error:
            is_one_line(error, path)
            assert content(path) in (before, after)
        store.close()
        failed = disk.failed
        disk.mend()
        assert content(path) in (before, after)
        if content(path) == before:
            again = Store(path)
            WRITES[name](again)
            again.close()
        assert content(path) == after
        if not failed:
            assert number > 3
            return
    raise AssertionError("it never came to an end")
