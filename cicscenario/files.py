"""Writes files: whole or not at all, through no symbolic link, and with permissions that do not depend on the umask.

All files of the package are written here. A file is written beside its place under a temporary name, and then renamed. So a
reader sees the old content or the new one, never a part, also after a crash; and a link in its place is replaced, not followed.
"""

import errno
import io
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from cicscenario.boundaries import Boundary
from cicscenario.unfinished import UNFINISHED, is_unfinished, sweep_beside, unfinished_file, unfinished_folder

OWNER_ONLY = 0o600  #: permissions of every file but those for all
FOR_ALL = 0o644  #: permissions of what is made to be shown: reports, generated pages, new scenarios
FOLDER_FOR_ALL = 0o755  #: permissions of a folder of files that are made to be shown and shared
_FOLDER = 0o700  # permissions of every other folder
_REPLACE = Boundary("file.replace")  # a file that is written gets its name
_REPLACE_AGAIN = Boundary("file.replace_again")  # the same, for a file that a run writes again and again
_CREATE = Boundary("file.create")  # the same, if nothing has that name yet
_OPEN = Boundary("file.open")  # a file that is written in its place
_PLACE = Boundary("folder.place")  # a folder that is filled gets its name
_IGNORE = Boundary("folder.ignore")  # git is told to leave a folder alone
_ALL_IGNORED = "*\n"  # the content of its .gitignore
_FILLED = "file"  # the name, in their temporary folder, of each of many files until it is whole
_FILL = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def replacing(
    path: Path, *, mode: int = OWNER_ONLY, durable: bool = False, again: bool = False, many: bool = False
) -> Iterator[BinaryIO]:
    """A temporary file to write into. It replaces ``path`` when the block ends, and is deleted when the block raises.

    It has the permissions ``mode`` from its first byte on, whatever the umask. A symbolic link at ``path`` is replaced, and
    what it points to stays as it is. With ``durable`` it is flushed to the disk before it replaces ``path``, so that a power
    cut leaves the old content or the new one. ``again`` is for a file that a run writes every second: it has a boundary of its
    own, since nobody can tell how often it is passed. Deletes what killed processes left when they wrote the same file; not with
    ``many``, for a folder of so many files that it is swept once, by ``unfinished.sweep``. Raises OSError, with ``path`` as its
    file name.
    """
    with _named(path):
        _refuse_special(path)
        if not many:
            sweep_beside(path)
        with _temporary(path) as (file, temporary):
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            if again:
                with _REPLACE_AGAIN:
                    temporary.replace(path)
            else:
                with _REPLACE:
                    temporary.replace(path)
        if durable:
            _flush_folder(path.parent)


def write_whole(
    path: Path,
    content: str | bytes,
    *,
    mode: int = OWNER_ONLY,
    durable: bool = False,
    again: bool = False,
    many: bool = False,
) -> None:
    """Writes ``content`` to ``path`` atomically; see ``replacing``. Characters that UTF-8 cannot encode are escaped."""
    with replacing(path, mode=mode, durable=durable, again=again, many=many) as file:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


@contextmanager
def filling(top: Path) -> Iterator[Callable[[str, bytes], None]]:
    """A function of a path below ``top`` and a content, which does for a great many files what ``write_whole`` does for one.

    All are written in one temporary folder of ``top``, which is made and locked once, and then renamed. It is deleted when the
    block ends; of a killed process, ``unfinished.sweep`` deletes it.
    """
    with _named(top):
        descriptor, temporary = unfinished_folder(top / _FILLED)
    unnamed = f"{temporary}/{_FILLED}"

    def write(path: str, content: bytes) -> None:
        with _named(path):
            _refuse_special_file(path)
            with _REPLACE:
                with os.fdopen(os.open(unnamed, _FILL, OWNER_ONLY), "wb") as file:
                    os.fchmod(file.fileno(), OWNER_ONLY)
                    file.write(content)
                os.replace(unnamed, path)  # noqa: PTH105 (paths for millions of files take as long as their writes)

    try:
        with _named(top):
            temporary.chmod(_FOLDER)
        yield write
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(descriptor)


def write_new(path: Path, content: str, *, mode: int = OWNER_ONLY) -> None:
    """Creates ``path``, flushed to the disk. Raises FileExistsError if it is there, as a file, a link or anything else."""
    with _named(path):
        sweep_beside(path)
        with _temporary(path) as (file, temporary):
            os.fchmod(file.fileno(), mode)
            file.write(content.encode())
            file.flush()
            os.fsync(file.fileno())
            with _CREATE:
                _link(temporary, path)
        _flush_folder(path.parent)


def _link(temporary: Path, path: Path) -> None:
    """Gives a file its name, unless there is something with this name."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY))
        temporary.replace(path)
    else:
        temporary.unlink()


def write_once(path: Path, content: str) -> None:
    """Creates ``path`` with mode 0600, flushed to the disk. If it exists already, its content stays as it is."""
    with suppress(FileExistsError):
        write_new(path, content)


@contextmanager
def making_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to write into. It becomes ``path`` when the block ends, and is deleted when the block raises.

    ``path`` may be an empty folder, which is replaced. Deletes the unfinished folders of earlier attempts whose process was
    killed. Raises OSError.
    """
    with _named(path):
        sweep_beside(path)
        descriptor, temporary = unfinished_folder(path)
        try:
            temporary.chmod(_FOLDER)
            yield temporary
            with _PLACE:
                temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        finally:
            os.close(descriptor)


def new_file(path: Path) -> BinaryIO:
    """Opens a file with mode 0600 to write into, in a folder that nobody sees yet. Raises FileExistsError if it is there."""
    with _named(path):
        with _OPEN:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
        with _closed_on_error(descriptor):
            os.fchmod(descriptor, OWNER_ONLY)
    return cast("BinaryIO", os.fdopen(descriptor, "wb"))


@contextmanager
def _closed_on_error(descriptor: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise


def make_folder(path: Path, *, mode: int = _FOLDER) -> Path:
    """Creates a folder with the permissions ``mode``, and the folders above it.

    One that is there is kept as it is, also if it is a link to one.
    """
    if not path.is_dir():
        if not path.parent.exists():
            make_folder(path.parent, mode=mode)
        with suppress(FileExistsError):  # of another process
            path.mkdir(_FOLDER)
            path.chmod(mode)
        if not path.is_dir():
            raise OSError(errno.ENOTDIR, "not a folder", str(path))
    return path


def own_folder(path: Path, ours: Callable[[str], bool] = lambda name: False) -> Path:
    """Creates a folder as ``make_folder`` does, with a ``.gitignore`` of ``*`` that keeps it out of repositories.

    It gets none when a folder above it in the same git checkout has one, when it has another one already, and when something is
    in it that is not ``ours``, by name: then it is a folder of the user.
    """
    make_folder(path)
    ignore = path / ".gitignore"
    if not os.path.lexists(ignore) and not _is_ignored(path) and all(map(ours, _names_in(path))):
        with _IGNORE:
            write_once(ignore, _ALL_IGNORED)
    return path


def _names_in(folder: Path) -> list[str]:
    """What is in a folder, but for the temporary files of processes."""
    return [entry.name for entry in folder.iterdir() if not is_unfinished(entry.name)]


def _is_ignored(path: Path) -> bool:
    """Whether a folder above, up to the top of the git checkout, has a ``.gitignore`` as ``own_folder`` writes it."""
    path = path.absolute()
    top = checkout_of(path)
    for folder in () if path == top else path.parents:
        if _says_all(folder / ".gitignore"):
            return True
        if folder == top:
            break
    return False


def _says_all(ignore: Path) -> bool:
    with suppress(OSError):
        if ignore.is_file():  # opening a FIFO would wait
            with ignore.open("rb") as file:
                return file.read(len(_ALL_IGNORED) + 1) == _ALL_IGNORED.encode()
    return False


def inner_folder(path: Path) -> Path:
    """Creates a folder in a folder of ours, with mode 0700, or keeps it. Raises OSError for a link, which could lead anywhere."""
    with suppress(FileExistsError):
        path.mkdir(_FOLDER)
        path.chmod(_FOLDER)
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link, and could lead anywhere", str(path))
    if not path.is_dir():
        raise OSError(errno.ENOTDIR, "not a folder", str(path))
    return path


def open_in_place(path: Path, *, append: bool = False) -> int:
    """A descriptor to read and write a file that cannot be replaced, such as a lock or a log. Creates it with mode 0600.

    Raises OSError for a symbolic link, and for what is not a regular file.
    """
    # O_NONBLOCK, so that opening a FIFO does not wait.
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_APPEND if append else 0)
    try:
        with _OPEN:
            descriptor = os.open(path, flags, OWNER_ONLY)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path)) from None
        raise
    with _named(path), _closed_on_error(descriptor):
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if stat.S_IMODE(found.st_mode) != OWNER_ONLY and found.st_uid == os.geteuid():
            os.fchmod(descriptor, OWNER_ONLY)
    return descriptor


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file beside ``path`` with mode 0600. The block gives it another name; when it raises, the file is deleted."""
    descriptor, temporary = unfinished_file(path)
    try:
        with os.fdopen(descriptor, "wb", io.DEFAULT_BUFFER_SIZE) as file:
            yield file, temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _refuse_special(path: Path) -> None:
    """Raises OSError for what a rename would destroy: devices, pipes, sockets, and the links beside devices."""
    if os.path.abspath(path.parent) == "/dev":  # noqa: PTH100 (as it is named)
        raise OSError(errno.EINVAL, "not a place for files", str(path))
    _refuse_special_file(path)


def _refuse_special_file(path: Path | str) -> None:
    with suppress(FileNotFoundError):
        if stat.S_IFMT(os.lstat(path).st_mode) not in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR):
            raise OSError(errno.EINVAL, "not a regular file", str(path))


def _flush_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path | str) -> Iterator[None]:
    """Gives an OSError the name of the file that was to be written, instead of none or that of a temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno and (error.filename is None or UNFINISHED in str(error.filename)):
            error.filename, error.filename2 = str(path), None
        raise


def checkout_of(folder: Path) -> Path | None:
    """The top of the git checkout that an absolute path is in; None when it is in none."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), None)


def from_the_top(path: Path) -> str:
    """A path with slashes, relative to the top of the git checkout that the current folder is in, else absolute.

    Without a checkout, the top is the current folder.
    """
    here = Path.cwd()
    top = checkout_of(here) or here
    for place in (Path(os.path.abspath(path)), path.resolve()):  # noqa: PTH100 (a link within the checkout is kept)
        if place.is_relative_to(top):
            return place.relative_to(top).as_posix()
    return Path(os.path.abspath(path)).as_posix()  # noqa: PTH100


def from_here(path: Path) -> str:
    """A path for messages, with slashes: relative if it is inside the current folder, else absolute."""
    relative = os.path.relpath(path)
    return path.absolute().as_posix() if relative.startswith("..") else Path(relative).as_posix()
