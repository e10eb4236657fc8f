"""The archive in a snapshot: what is in it comes out as it was, and nothing of a hostile one is written outside."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox.snapshot.archive import ArchiveBounds, members_of, unpack, write_archive

MOST = ArchiveBounds(files=10, size=10_000)


def everything(name: str) -> bool:
    return True


def nothing(name: str) -> bool:
    return False


def packed(folder: Path, name: str = "data") -> tuple[bytes, ArchiveBounds]:
    """An archive of a folder, and how much is in it."""
    sink = io.BytesIO()
    members = list(members_of(folder, name, nothing))
    write_archive(sink, iter(members))
    return sink.getvalue(), ArchiveBounds(len(members), sum(member.size or 0 for member in members))


def tree(folder: Path) -> dict[str, bytes | None]:
    """What is in a folder: bytes of files, None for folders."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


NAMES = st.text("abcé-._ 漢", min_size=1, max_size=8).filter(lambda name: name.strip(".") != "")
TREES = st.dictionaries(NAMES, st.one_of(st.binary(max_size=2000), st.dictionaries(NAMES, st.binary(max_size=600))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(TREES)
def test_what_is_packed_comes_out_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, wanted: dict[str, object]
) -> None:
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "target"))
    for name, content in wanted.items():
        inner = content if isinstance(content, dict) else {"": content}
        for below, data in inner.items():
            path = source / name / below
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
    archive, bounds = packed(source)
    unpack(io.BytesIO(archive), target, bounds, everything)
    assert tree(target / "data") == tree(source)


def test_only_the_owner_can_read_what_comes_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "key").write_text("secret")
    (source / "key").chmod(0o666)
    archive, bounds = packed(source)
    before = os.umask(0)
    try:
        (tmp_path / "target").mkdir()
        unpack(io.BytesIO(archive), tmp_path / "target", bounds, everything)
    finally:
        os.umask(before)
    assert [(tmp_path / "target" / name).stat().st_mode & 0o777 for name in ("data", "data/key")] == [0o700, 0o600]


def test_tar_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_bytes(b"1" * 700)
    archive, _ = packed(tmp_path / "source")
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        assert found.getnames() == ["data", "data/a"]


def test_a_link_in_what_is_packed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(StateRefusedError, match="link is a symbolic link"):
        packed(tmp_path)


def test_a_file_that_grows_or_shrinks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    members = list(members_of(tmp_path, "data", nothing))
    for content in (b"1234", b"123456"):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(StateRefusedError, match="has changed while it was copied"):
            write_archive(io.BytesIO(), iter(members))


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / ("n" * 150)).touch()
    with pytest.raises(StateRefusedError, match="name that is too long"):
        packed(tmp_path)


# --- hostile archives ---------------------------------------------------------------------------------------------


def member(name: str, data: bytes = b"", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    for key, value in more.items():
        setattr(header, key, value)
    return header, data


def made(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as archive:
        for header, data in members:
            archive.addfile(header, io.BytesIO(data))
    return sink.getvalue()


def header_of(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    header = tarfile.TarInfo(name)
    header.size, header.type = size, kind
    return header.tobuf(tarfile.GNU_FORMAT)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "absolute": (lambda: made(member("/tmp/x", b"1")), "nothing that a snapshot has"),
    "above": (lambda: made(member("../x", b"1")), "nothing that a snapshot has"),
    "above, from within": (lambda: made(member("a/../../x", b"1")), "nothing that a snapshot has"),
    "the folder itself": (lambda: made(member("./x", b"1")), "nothing that a snapshot has"),
    "an empty step": (lambda: made(member("a//x", b"1")), "nothing that a snapshot has"),
    "no name": (lambda: header_of("", 0) + bytes(1024), "nothing that a snapshot has"),
    "terminal escapes": (lambda: made(member("a\x1b[2Jb", b"1")), "nothing that a snapshot has"),
    "symbolic link": (lambda: made(member("x", type=tarfile.SYMTYPE, linkname="/etc/passwd")), "no file or folder"),
    "hard link": (lambda: made(member("x", type=tarfile.LNKTYPE, linkname="../key")), "no file or folder"),
    "character device": (lambda: made(member("x", type=tarfile.CHRTYPE)), "no file or folder"),
    "block device": (lambda: made(member("x", type=tarfile.BLKTYPE)), "no file or folder"),
    "pipe": (lambda: made(member("x", type=tarfile.FIFOTYPE)), "no file or folder"),
    "sparse file": (lambda: header_of("x", 5, tarfile.GNUTYPE_SPARSE) + bytes(512), "no file or folder"),
    "long name of GNU": (lambda: made(member("n" * 300, b"1"), form=tarfile.GNU_FORMAT), "no file or folder"),
    "header of pax": (lambda: made(member("n" * 300, b"1"), form=tarfile.PAX_FORMAT), "no file or folder"),
    "folder with content": (lambda: header_of("x", 5, tarfile.DIRTYPE) + bytes(512), "no file or folder"),
    "twice": (lambda: made(member("x", b"1"), member("x", b"2")), "in it twice"),
    "file as a folder": (lambda: made(member("a", b"1"), member("a/b", b"2")), "in it twice, or its folder is not"),
    "folder as a file": (lambda: made(member("a", b"1"), folder("a")), "in it twice, or its folder is not"),
    "without its folder": (lambda: made(member("a/b", b"1")), "in it twice, or its folder is not"),
    "many": (lambda: made(*(member(f"x{number}") for number in range(11))), "more in it than it says"),
    "huge": (lambda: header_of("x", 2**40), "more in it than it says"),
    "a little too much": (lambda: made(member("x", bytes(10_001))), "more in it than it says"),
    "negative size": (lambda: negative(), "no file or folder"),
    "less": (lambda: made(member("x", b"1")), "less in it than it says"),
    "cut": (lambda: made(member("x", bytes(10_000)))[:3000], "ends too early"),
    "without an end": (lambda: made(member("x", bytes(512)))[:1024], "ends too early"),
    "empty": (lambda: b"", "ends too early"),
    "no tar": (lambda: b"hello" * 1000, "header that cannot be read"),
    "wrong checksum": (lambda: made(member("x", b"1")).replace(b"x", b"y", 1), "header that cannot be read"),
    "name that is no UTF-8": (lambda: latin(), "header that cannot be read"),
}


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.DIRTYPE)


def negative() -> bytes:
    block = bytearray(header_of("x", 2**40))
    block[124:136] = b"\xff" * 12  # tar's other form of a number
    return with_checksum(block)


def latin() -> bytes:
    block = bytearray(header_of("x", 0))
    block[0] = 0xE9
    return with_checksum(block)


def with_checksum(block: bytearray) -> bytes:
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("case", HOSTILE)
def test_what_a_snapshot_cannot_have_is_refused_and_nothing_is_written_outside(tmp_path: Path, case: str) -> None:
    make, reason = HOSTILE[case]
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "key").write_text("mine")
    with pytest.raises(ValueError, match=reason):
        unpack(io.BytesIO(make()), target, MOST, everything)
    assert {path.name for path in tmp_path.iterdir()} == {"key", "target"}
    assert not [path for path in target.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]


def test_a_name_that_is_not_expected_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'b' is nothing that a snapshot has"):
        unpack(io.BytesIO(made(member("a"), member("b"))), tmp_path, MOST, lambda name: name == "a")
