"""A checkpoint is killed, or finds the disk full, at each of its writes: the chain is the same, and the old one still holds."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from cicscenario.boundaries import kill_at, observe
from cicscenario.sandbox.node import checkpoint
from cicscenario.sandbox.node.journal import FILE_NAME
from tests.support.reopened_chain import ReopenedChain

_FILES = {FILE_NAME, "chain.checkpoint"}
Act = Callable[[], None]


class _Stopped:
    """The file of a checkpoint. In write number ``count``, half of the bytes get to the disk, and then ``act`` is called."""

    def __init__(self, file: BinaryIO, count: int, act: Act) -> None:
        self._file, self._left, self._act = file, count, act
        self.tell, self.seek = file.tell, file.seek

    def write(self, data: bytes) -> int:
        self._left -= 1
        if self._left == 0:
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            self._act()
        written = self._file.write(data)
        self._file.flush()
        return written


@contextmanager
def stopping(monkeypatch: pytest.MonkeyPatch, count: int, act: Act) -> Iterator[list[_Stopped]]:
    """Checkpoints are written through ``_Stopped`` in the block; gives those that were."""
    made: list[_Stopped] = []
    replacing = checkpoint.replacing

    @contextmanager
    def replaced(path: Path, **options: Any) -> Iterator[_Stopped]:
        with replacing(path, **options) as file:
            made.append(_Stopped(file, count, act))
            yield made[-1]

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "replacing", replaced)
        yield made


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_killed(world: ReopenedChain, prepare: Act = lambda: None) -> bool:
    """Saves in a process of its own; says whether it was killed."""
    if (pid := os.fork()) == 0:
        try:
            prepare()
            world.chain.save()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@pytest.fixture
def grown(world: ReopenedChain) -> ReopenedChain:
    """A chain with a checkpoint, and blocks after it."""
    world.fill(1, count=2)
    world.again()
    world.fill(2, count=2)
    return world


def starts_with(world: ReopenedChain, saved: bytes, before: list[Any], executed: int) -> None:
    """It starts as after a kill: with this checkpoint, and the same chain."""
    assert world.checkpoint.read_bytes() == saved
    world.kill()
    world.open()
    assert (world.executed, world.seen()) == (executed, before)


def test_the_old_one_holds_when_a_process_is_killed_in_any_write(
    grown: ReopenedChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, before = grown.checkpoint.read_bytes(), grown.seen()
    count = 0
    while True:
        count += 1
        with stopping(monkeypatch, count, killed):
            if not is_killed(grown):
                break
        starts_with(grown, saved, before, executed=6)
        assert len({path.name for path in grown.folder.iterdir()} - _FILES) == 1, "the next one deletes what is left"
    assert count > 20
    assert {path.name for path in grown.folder.iterdir()} == _FILES
    assert grown.checkpoint.read_bytes() != saved
    grown.kill()
    grown.open()
    assert (grown.executed, grown.seen()) == (0, before)


@pytest.mark.parametrize(("side", "executed"), [("before", 6), ("after", 0)])
def test_the_old_one_or_the_new_one_holds_when_it_is_killed_at_its_renaming(
    grown: ReopenedChain, side: str, executed: int
) -> None:
    before = grown.seen()
    try:
        assert is_killed(grown, lambda: kill_at(f"file.replace:{side}:1:kill"))
    finally:
        observe(None)
    grown.kill()
    grown.open()
    assert (grown.executed, grown.seen()) == (executed, before)
    grown.chain.save()
    assert {path.name for path in grown.folder.iterdir()} == _FILES


def test_the_old_one_holds_when_the_disk_is_full_in_any_write(
    grown: ReopenedChain, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, before = grown.checkpoint.read_bytes(), grown.seen()
    count = 0
    while True:
        count += 1
        with stopping(monkeypatch, count, full):
            grown.chain.save()
        if not (told := capsys.readouterr().err):
            break
        assert told.startswith("the checkpoint cannot be written: ")
        assert {path.name for path in grown.folder.iterdir()} == _FILES
        starts_with(grown, saved, before, executed=6)
    assert count > 20
    grown.kill()
    grown.open()
    assert (grown.executed, grown.seen()) == (0, before)
