"""Files are written whole or not at all, through no link, for their owner only; a killed writer's leavings are swept away."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from cicscenario.errors import InvalidError, as_told
from cicscenario.files import (
    FOLDER_FOR_ALL,
    FOR_ALL,
    OWNER_ONLY,
    filling,
    inner_folder,
    make_folder,
    making_folder,
    new_file,
    open_in_place,
    own_folder,
    replacing,
    write_new,
    write_once,
    write_whole,
)
from cicscenario.unfinished import sweep

Writer = Callable[[Path], object]

#: Every way to write a file; each writes the text "new".
WRITERS: dict[str, Writer] = {
    "whole": lambda path: write_whole(path, "new"),
    "durable": lambda path: write_whole(path, "new", durable=True),
    "once": lambda path: write_once(path, "new"),
    "new": lambda path: write_new(path, "new"),
    "in place": lambda path: _write(open_in_place(path)),
    "new file": lambda path: _write_and_close(new_file(path)),
    "one of many": lambda path: _fill(path),
}


def _write(descriptor: int) -> None:
    os.write(descriptor, b"new")
    os.close(descriptor)


def _write_and_close(file: BinaryIO) -> None:
    with file:
        file.write(b"new")


def _fill(path: Path) -> None:
    with filling(path.parent) as write:
        write(str(path), b"new")


@pytest.fixture(params=[0, 0o022, 0o077], ids=lambda mask: f"umask {mask:o}")
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- permissions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.usefixtures("umask")
def test_a_file_is_its_owners_only_whatever_the_umask(tmp_path: Path, writer: str) -> None:
    WRITERS[writer](tmp_path / "secret")
    assert mode(tmp_path / "secret") == OWNER_ONLY
    assert (tmp_path / "secret").read_text() == "new"


@pytest.mark.parametrize("write", [write_whole, write_new])
@pytest.mark.usefixtures("umask")
def test_a_report_is_for_all_to_read_whatever_the_umask(tmp_path: Path, write: Callable[..., None]) -> None:
    write(tmp_path / "report", "words", mode=FOR_ALL)
    assert mode(tmp_path / "report") == 0o644


@pytest.mark.usefixtures("umask")
def test_folders_are_their_owners_only_whatever_the_umask(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    inner_folder(tmp_path / "a" / "b" / "c")
    with making_folder(tmp_path / "d") as folder:
        make_folder(folder / "e")
    assert {mode(path) for path in tmp_path.rglob("*")} == {0o700}
    assert names(tmp_path) == ["a", "d"]


@pytest.mark.usefixtures("umask")
def test_a_folder_to_share_is_for_all_to_read_and_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b", mode=FOLDER_FOR_ALL)
    assert {mode(path) for path in tmp_path.rglob("*")} == {0o755}
    make_folder(tmp_path / "own")
    make_folder(tmp_path / "own", mode=FOLDER_FOR_ALL)
    assert mode(tmp_path / "own") == 0o700


def test_what_others_could_read_before_is_the_owners_only_afterwards(tmp_path: Path) -> None:
    for name in ("lock", "pins.csv"):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(0o666)
    os.close(open_in_place(tmp_path / "lock"))
    write_whole(tmp_path / "pins.csv", "new")
    assert {mode(path) for path in tmp_path.iterdir()} == {OWNER_ONLY}


def test_a_file_has_its_mode_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with replacing(path) as file:
        file.write(b"x")
        (passing,) = tmp_path.iterdir()
        assert mode(passing) == 0o600
    assert mode(path) == 0o600


# --- links and other things in the way ----------------------------------------------------------------------------


@pytest.mark.parametrize("writer", WRITERS)
def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path, writer: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("words")
    precious.chmod(0o640)
    (tmp_path / "place").symlink_to(precious)
    (tmp_path / "nowhere").symlink_to(tmp_path / "made")
    for link in ("place", "nowhere"):
        try:
            WRITERS[writer](tmp_path / link)
        except OSError as error:
            assert error.filename == str(tmp_path / link)  # noqa: PT017 (some writers replace it)
            assert (tmp_path / link).is_symlink()
    assert precious.read_text() == "words"
    assert mode(precious) == 0o640
    assert not (tmp_path / "made").exists()


def test_a_link_in_the_place_of_an_inner_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "keystore").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="it is a symbolic link, and could lead anywhere"):
        inner_folder(tmp_path / "keystore")
    assert make_folder(tmp_path / "keystore").is_symlink()  # such as the run directory, which the user chooses


@pytest.mark.parametrize("make", [make_folder, inner_folder])
def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    (tmp_path / "tx").write_text("words")
    with pytest.raises(NotADirectoryError):
        make(tmp_path / "tx")
    assert (tmp_path / "tx").read_text() == "words"


@pytest.mark.parametrize("writer", ["whole", "in place"])
def test_a_pipe_is_neither_replaced_nor_waited_for(tmp_path: Path, writer: str) -> None:
    os.mkfifo(tmp_path / "report")
    with pytest.raises(OSError, match="not a regular file"):
        WRITERS[writer](tmp_path / "report")
    assert (tmp_path / "report").is_fifo()


@pytest.mark.parametrize("name", ["stdout", "null", "new"])
def test_nothing_is_renamed_among_the_devices(name: str) -> None:
    """Where the user is root, a file would take the place of the device."""
    with pytest.raises(OSError, match="not a place for files"):
        write_whole(Path("/dev") / name, "words")


# --- whole or not at all ------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_written_to_its_end_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "pins.csv"
    write_whole(path, "old")

    def break_off() -> None:
        with replacing(path) as file:
            file.write(b"ne")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        break_off()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["pins.csv"]
    told = as_told(caught.value)
    assert told
    assert told.message == f"{path}: no space left on device"


def test_a_place_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "none" / "report.html", "x")
    told = as_told(caught.value)
    assert isinstance(told, InvalidError)
    assert told.message == f"cannot use {tmp_path / 'none' / 'report.html'}: no such file or directory"


def test_what_utf_8_cannot_hold_is_escaped(tmp_path: Path) -> None:
    write_whole(tmp_path / "report", "\udcff")
    assert (tmp_path / "report").read_text() == "\\udcff"


def test_the_first_content_stays(tmp_path: Path) -> None:
    write_once(tmp_path / "secret", "first")
    write_once(tmp_path / "secret", "second")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "secret", "third")
    assert (tmp_path / "secret").read_text() == "first"
    assert names(tmp_path) == ["secret"]


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_once(tmp_path / "secret", "first")
    write_once(tmp_path / "secret", "second")
    assert (tmp_path / "secret").read_text() == "first"
    assert mode(tmp_path / "secret") == 0o600
    assert names(tmp_path) == ["secret"]


def test_a_long_name_will_do(tmp_path: Path) -> None:
    write_whole(tmp_path / ("é" * 127), "x")
    assert names(tmp_path) == ["é" * 127]


# --- what killed writers leave ------------------------------------------------------------------------------------

KILLED = """
import sys, time
from pathlib import Path
from cicscenario.files import making_folder, replacing
place = Path(sys.argv[1])
with replacing(place / "key.json") as file, making_folder(place / "data") as folder:
    file.write(b"a part"), file.flush()
    (folder / "tags.csv").write_text("a part")
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process in the middle of writing a file and a folder in ``tmp_path``."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_a_killed_writer_left_is_deleted_and_nothing_else(tmp_path: Path, writer: "subprocess.Popen[str]") -> None:
    (tmp_path / ".mine.unfinished").write_text("a file of the user's")
    (tmp_path / ".key.json.abcd1234.unfinished").symlink_to(tmp_path / ".mine.unfinished")
    begun = names(tmp_path)
    assert len(begun) == 4
    sweep(tmp_path)
    with making_folder(tmp_path / "data.2"):
        pass
    assert names(tmp_path) == sorted([*begun, "data.2"])  # the writer still writes
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    sweep(tmp_path)
    with making_folder(tmp_path / "data") as folder:
        (folder / "whole").touch()
    assert names(tmp_path) == [".key.json.abcd1234.unfinished", ".mine.unfinished", "data", "data.2"]


@pytest.mark.parametrize("writer", ["whole", "durable", "once", "new"])
def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path, writer: str) -> None:
    """Only of the same file: the others may be somebody else's."""
    left, other = tmp_path / ".report.abcd1234.unfinished", tmp_path / ".other.abcd1234.unfinished"
    for path in (left, other):
        path.write_text("half")
    WRITERS[writer](tmp_path / "report")
    assert names(tmp_path) == [other.name, "report"]


def test_a_file_that_is_swept_before_it_is_locked_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep of another process may come between the two."""
    made = tempfile.mkstemp

    def swept_once(**more: object) -> tuple[int, str]:
        monkeypatch.setattr(tempfile, "mkstemp", made)
        descriptor, name = made(**more)  # type: ignore[call-overload]
        sweep(tmp_path)
        assert not Path(name).exists()
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", swept_once)
    write_whole(tmp_path / "report", "words")
    assert (tmp_path / "report").read_text() == "words"
    assert names(tmp_path) == ["report"]


def test_a_folder_that_is_not_there_is_swept(tmp_path: Path) -> None:
    sweep(tmp_path / "none")
    assert names(tmp_path) == []


# --- folders that git leaves alone ------------------------------------------------------------------------------------


def checkout(tmp_path: Path) -> Path:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    return tmp_path / "repo"


def test_a_folder_of_ours_is_kept_out_of_repositories_once(tmp_path: Path) -> None:
    folder = own_folder(checkout(tmp_path) / "deep" / "run")
    assert (folder / ".gitignore").read_text() == "*\n"
    assert mode(folder) == 0o700
    assert names(folder.parent) == ["run"], "the folders above are the user's"
    (folder / ".gitignore").unlink()
    (folder / "state.sqlite").write_text("")
    own_folder(folder)
    assert names(folder) == ["state.sqlite"], "the user wants to see it"


@pytest.mark.parametrize("content", ["mine\n", "", "*"])
def test_a_gitignore_that_is_there_is_kept(tmp_path: Path, content: str) -> None:
    (checkout(tmp_path) / ".gitignore").write_text(content)
    own_folder(tmp_path / "repo")
    assert (tmp_path / "repo" / ".gitignore").read_text() == content


def test_what_a_killed_process_left_of_it_is_no_file_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "..gitignore.abcdefgh.unfinished").write_text("")
    own_folder(tmp_path)
    assert names(tmp_path) == [".gitignore"]


@pytest.mark.parametrize(
    ("above", "content", "gets_one"),
    [
        ("repo/home", "*\n", False),
        ("repo", "*\n", False),
        ("repo", "*\n!docs\n", True),
        ("repo", ".venv/\n", True),
        ("", "*\n", True),  # of no interest to the repository below
    ],
)
def test_one_that_a_folder_above_keeps_out_already_gets_none(
    tmp_path: Path, above: str, content: str, gets_one: bool
) -> None:
    make_folder(checkout(tmp_path) / "home" / "runs")
    (tmp_path / above / ".gitignore").write_text(content)
    own_folder(tmp_path / "repo" / "home" / "runs" / "mine")
    assert (tmp_path / "repo" / "home" / "runs" / "mine" / ".gitignore").exists() is gets_one


def test_a_fifo_above_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".gitignore")
    assert names(own_folder(tmp_path / "run")) == [".gitignore"]
