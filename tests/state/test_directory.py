"""The directory of a run: its secrets."""

from pathlib import Path

import pytest

from cicscenario.errors import StateRefusedError
from cicscenario.state.directory import existing_store, run_secret, used_before
from cicscenario.state.store import Store


def test_a_secret_is_created_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    first = run_secret(path)
    assert len(bytes.fromhex(first)) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert run_secret(path) == first


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found 0 characters"),
        (b"a" * 63, "found 63 characters"),
        (b"a" * 64 + b"\n", "found 65 characters"),
        (b"g" * 64, "found other characters"),
        (b"\xff" * 64, "found other characters"),
    ],
)
def test_a_damaged_secret_is_refused_and_kept(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(StateRefusedError, match=f"is damaged: expected 64 hexadecimal digits, {said}"):
        run_secret(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("there", [True, False], ids=["to a state", "to nothing"])
@pytest.mark.parametrize("name", ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm"])
def test_a_state_that_is_a_link_is_refused(tmp_path: Path, name: str, there: bool) -> None:
    """One that leads to nothing, such as a disk that is away, is not a run that has not begun yet."""
    Store(tmp_path / "state.sqlite").close()
    kept = tmp_path / "kept"
    if name == "state.sqlite":
        (tmp_path / name).rename(kept)
    elif there:
        kept.write_text("words")
    if not there:
        kept.unlink(missing_ok=True)
    (tmp_path / name).symlink_to(kept)
    before = kept.read_bytes() if there else None
    with pytest.raises(StateRefusedError, match=f"{name} is a symbolic link: expected the state itself"):
        existing_store(tmp_path)
    assert (kept.read_bytes() if there else None) == before


@pytest.mark.parametrize("name", ["secret", "tx/ab/abcd", "tx/abcd", "state.sqlite.damaged-1"])
def test_a_directory_from_which_something_may_have_been_sent_was_used(tmp_path: Path, name: str) -> None:
    (tmp_path / "run.log").touch()
    assert not used_before(tmp_path)
    (tmp_path / "tx").mkdir()
    assert not used_before(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    assert used_before(tmp_path)


def test_of_millions_of_transactions_one_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tx").mkdir()
    for number in range(50):
        (tmp_path / "tx" / f"{number:02}").mkdir()
    looked: list[Path] = []
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: looked.append(path) or exists(path))
    assert used_before(tmp_path)
    assert len(looked) == 2, "the secret, and one transaction"
