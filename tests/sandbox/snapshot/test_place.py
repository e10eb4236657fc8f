"""A restored sandbox in its place: the old one or the new one, wherever the process ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cicscenario.boundaries import observe
from cicscenario.sandbox import stack
from cicscenario.sandbox.snapshot import place

OLD = {"sandbox/chain/chain.jsonl": "old", "runs/small/state.sqlite": "old", "runs/other/state.sqlite": "other"}
NEW = {"sandbox/chain/chain.jsonl": "new", "sandbox/stack.json": "new", "runs/small/state.sqlite": "new"}
STEPS = ("decide", "set_aside", "place_run", "move_out", "move_in", "delete_old")
POINTS = [("unpack", "before"), ("unpack", "after"), *((step, side) for step in STEPS for side in ("before", "after"))]


class EndedError(BaseException):
    """The process ends here: nothing that it would have done when it fails is done."""


@contextmanager
def ended_at(name: str, side: str) -> Iterator[None]:
    def end(passed: str, at: str) -> None:
        if (passed, at) == (f"snapshot.{name}", side):
            raise EndedError

    observe(end)
    try:
        yield
    finally:
        observe(None)


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def files(home: Path) -> dict[str, str]:
    return {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}


def is_new(home: Path) -> bool:
    """Whether all of the new one is in its place, with the earlier run beside it; asserts that else all is the old one."""
    found = files(home)
    if found == OLD:
        return False
    (aside,) = home.glob("runs/small.*")
    kept = {f"runs/{aside.name}/state.sqlite": "old", "runs/other/state.sqlite": "other"}
    assert found == NEW | kept
    return True


def restore(home: Path) -> list[Path]:
    with place.unpacking(home) as folder:
        fill(folder, NEW)
    return place.finish(home)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    fill(tmp_path, OLD)
    return tmp_path


def test_the_new_one_replaces_the_old_and_an_earlier_run_is_kept(home: Path) -> None:
    (aside,) = restore(home)
    assert (aside / "state.sqlite").read_text() == "old"
    assert is_new(home)
    (again,) = restore(home)
    assert again.exists()
    assert again != aside


def test_there_may_be_nothing_before(tmp_path: Path) -> None:
    assert restore(tmp_path) == []
    assert files(tmp_path) == NEW


@pytest.mark.parametrize(("name", "side"), POINTS)
def test_whoever_comes_next_finds_the_old_one_or_completes_the_new_one(
    home: Path, name: str, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(place, "_sweep", lambda folder: None)  # a process that is killed sweeps nothing
        with pytest.raises(EndedError), ended_at(name, side):
            restore(home)
    decided = (name, side) not in [("unpack", "before"), ("unpack", "after"), ("decide", "before")]
    assert place.is_decided(home) == (decided and (name, side) != ("delete_old", "after"))
    place.finish(home)
    assert is_new(home) == decided
    assert not place.is_decided(home)
    restore(home)
    assert (home / "sandbox/chain/chain.jsonl").read_text() == "new"


@pytest.mark.parametrize("name", STEPS[1:])
def test_a_completion_that_is_ended_is_completed(home: Path, name: str) -> None:
    with pytest.raises(EndedError), ended_at("decide", "after"):
        restore(home)
    for side in ("before", "after"):
        with pytest.raises(EndedError), ended_at(name, side):
            place.finish(home)
        if (name, side) == ("delete_old", "after"):
            assert is_new(home)
            return
    place.finish(home)
    assert is_new(home)


def test_the_old_one_is_kept_until_the_new_one_is_in_its_place(home: Path) -> None:
    with pytest.raises(EndedError), ended_at("move_in", "before"):
        restore(home)
    assert [path.read_text() for path in home.rglob("old/chain/chain.jsonl")] == ["old"]


def test_a_run_and_the_stack_complete_it(home: Path) -> None:
    with pytest.raises(EndedError), ended_at("place_run", "after"):
        restore(home)
    stack.finish_restore(home)
    (home / "sandbox.lock").unlink()
    assert is_new(home)
    with pytest.raises(EndedError), ended_at("move_out", "after"):
        restore(home)
    assert not (home / "sandbox").exists()
    assert not stack.down(home)
    assert (home / "sandbox/chain/chain.jsonl").read_text() == "new"


def test_what_fails_while_it_is_unpacked_leaves_nothing(home: Path) -> None:
    def unpacked() -> None:
        with place.unpacking(home) as folder:
            fill(folder, NEW)
            raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        unpacked()
    assert files(home) == OLD
    assert not list(home.glob("sandbox.*"))
