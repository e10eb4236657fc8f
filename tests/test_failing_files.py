"""The disk is full, or gives an error, at the n-th change of a plain file, for every n: the old file stays whole, or the new is.

The same for SQLite's files is in tests/state/test_full_disk.py.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cicscenario.chain.keyfile import write_keyfile
from cicscenario.errors import CicScenarioError, ExitCode, as_told
from cicscenario.files import filling, making_folder, new_file, open_in_place, write_new, write_once, write_whole
from cicscenario.legacy.accountfiles import PinRow, write_pins
from cicscenario.state.directory import run_secret
from cicscenario.state.lock import FileLock
from tests.support.failing_files import FULL_DISK, READ_ERROR, FailingFiles

LINES = 500  # more than one write


def lock(path: Path) -> None:
    with FileLock(path, "the place"):
        pass


def folder(path: Path) -> None:
    with making_folder(path) as passing, new_file(passing / "a") as file:
        file.write(b"new" * LINES)


def one_of_many(path: Path) -> None:
    with filling(path.parent) as write:
        write(str(path), b"new" * LINES)


def in_place(path: Path) -> None:
    os.close(open_in_place(path))


#: Every way in which files are written, with a file of the same name there before or not.
WRITERS: dict[str, tuple[bool, Callable[[Path], object]]] = {
    "a report": (True, lambda path: write_whole(path, "new" * LINES)),
    "a report that was not there": (False, lambda path: write_whole(path, "new" * LINES)),
    "a transaction": (False, one_of_many),
    "a transaction that was cut off": (True, one_of_many),
    "a keystore file": (True, lambda path: write_keyfile(path, b"new" * LINES)),
    "a list of PINs": (True, lambda path: write_pins(path, [PinRow(f"+2547{n:08}", "x" * 60) for n in range(LINES)])),
    "a scenario": (False, lambda path: write_new(path, "new")),
    "a secret": (False, lambda path: run_secret(path)),
    "a secret by any name": (False, lambda path: write_once(path, "new")),
    "an export": (False, folder),
    "a lock": (False, lock),
    "a log": (False, in_place),
    "a log that others could read": (True, in_place),
}
#: Files that are open for as long as they are used have no old and new content; they may stay, and be empty.
OPEN = ("a lock", "a log", "a log that others could read")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingFiles]:
    yield FailingFiles(monkeypatch)
    monkeypatch.undo()


def text_of(path: Path) -> str | None:
    if path.is_dir():
        return "".join(f"{one.name}={one.read_text()}" for one in sorted(path.iterdir()))
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize(
    "how", [{"times": 10**6, "code": FULL_DISK}, {"times": 1, "code": READ_ERROR}], ids=["full", "broken once"]
)
@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_the_old_one_or_the_new_one_and_nothing_is_left_beside_it(
    tmp_path: Path, disk: FailingFiles, name: str, how: dict[str, int]
) -> None:
    there, write = WRITERS[name]
    for number in range(1, 100):
        place = tmp_path / str(number)
        place.mkdir()
        path = place / "file"
        if there:
            path.write_text("old")
            path.chmod(0o644)
        disk.fail(number, **how)
        problem: BaseException | None = None
        try:
            write(path)
        except (OSError, CicScenarioError) as error:
            problem = error
        failed = disk.mend()
        assert failed or problem is None
        if problem is not None:
            told = as_told(problem)
            assert told is not None, f"a traceback at change {number}: {problem!r}"
            named = (
                place if WRITERS[name][1] is one_of_many else path
            )  # of many files, the first change is of their folder
            assert str(named) in told.message, f"change {number}: {told.message}"
            assert told.exit_code in (ExitCode.UNAVAILABLE, ExitCode.INVALID, ExitCode.STATE_REFUSED)
            after = text_of(path)
            assert {one.name for one in place.iterdir()} <= {"file"}, f"change {number} left something"
        else:
            after = None
        write(place / "again")
        whole = text_of(place / "again")
        if problem is not None and name not in OPEN:
            same = whole if name != "a secret" else after  # each secret is another one
            assert after in ("old" if there else None, same), f"change {number}: {after!r:.80}"
            assert name != "a secret" or after is None or len(after) == 64
        if not failed:
            assert number > 1
            return
    raise AssertionError("it never came to an end")
