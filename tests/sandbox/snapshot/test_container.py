"""The file of a snapshot: read whole or refused with the reason."""

import hashlib
import json
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox.snapshot.container import manifest_of, opened, writing
from cicscenario.sandbox.snapshot.manifest import Manifest, differences, parse

CONTENT = bytes(range(256)) * 40
MANIFEST = Manifest(
    made="2026-11-26T17:44:17+00:00",
    program="0.1.0",
    node="embedded",
    contracts="classic",
    registry=f"0x{'ab' * 20}",
    services=("node", "redis"),
    dialect=None,
    forms={"node": "journal 1", "redis": "Valkey 9.1"},
    state_form=6,
    runs={"ussd-1k": 1000},
    files=3,
    size=99,
)


def written(path: Path, manifest: Manifest = MANIFEST, content: bytes = CONTENT) -> bytes:
    with path.open("wb") as file, writing(file, manifest) as archive:
        archive.write(content)
    return path.read_bytes()


def read(path: Path) -> tuple[Manifest, bytes]:
    with opened(path) as snapshot:
        pieces = []
        while piece := snapshot.archive.read(1000):
            pieces.append(piece)
        return snapshot.manifest, b"".join(pieces)


def refusal(path: Path) -> str:
    with pytest.raises(StateRefusedError) as refused:
        read(path)
    assert str(path) in refused.value.message
    assert refused.value.hint
    return refused.value.message


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written(tmp_path / "a.zst")
    assert read(tmp_path / "a.zst") == (MANIFEST, CONTENT)
    assert manifest_of(tmp_path / "a.zst") == MANIFEST


def test_zstd_itself_unpacks_the_archive(tmp_path: Path) -> None:
    written(tmp_path / "a.zst")
    reader = zstandard.ZstdDecompressor().stream_reader((tmp_path / "a.zst").open("rb"), read_across_frames=True)
    with reader:
        assert reader.read() == CONTENT


def test_it_is_refused_wherever_its_end_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    whole = written(path)
    for length in sorted({*range(0, len(whole), 9), *range(len(whole) - 60, len(whole))}):
        path.write_bytes(whole[:length])
        assert "not a snapshot" in (said := refusal(path)) or "end is missing" in said
        if length >= 29:
            assert "end is missing" in said


def test_it_is_refused_whichever_bit_is_another(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    whole = written(path)
    for place in sorted({*range(0, len(whole), 5), *range(len(whole) - 60, len(whole))}):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        refusal(path)


def test_more_at_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(written(path) + b"more")
    assert "end is missing" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"version: 1\nname: small\n", zstandard.compress(b"hello"), bytes(5000), b"SQLite format 3\0"],
)
def test_what_is_no_snapshot_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(content)
    assert "it is not a snapshot" in refusal(path)
    with pytest.raises(StateRefusedError, match="it is not a snapshot"):
        manifest_of(path)


def test_a_folder_or_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    subprocess.run(["mkfifo", str(tmp_path / "pipe")], check=True)
    for name, reason in ((".", "it is a folder"), ("pipe", "it is a pipe")):
        with pytest.raises(OSError, match=reason), opened(tmp_path / name):
            pass


def forged(path: Path, head: bytes, packed: bytes) -> None:
    """A file with a right digest over anything."""
    start = struct.pack("<II", 0x184D2A5C, len(head)) + head + packed
    path.write_bytes(start + struct.pack("<II", 0x184D2A5D, 32) + hashlib.sha256(start).digest())


HEAD = b"cicscenario snapshot\n" + MANIFEST.text()


def test_a_file_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, compression_level=1)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compressobj().compress(bytes(10**8))
    forged(tmp_path / "a.zst", HEAD, packed)
    assert "it cannot be unpacked" in refusal(tmp_path / "a.zst")


def test_what_is_not_packed_is_refused_although_its_digest_is_right(tmp_path: Path) -> None:
    forged(tmp_path / "a.zst", HEAD, b"hello" * 20)
    assert "it cannot be unpacked" in refusal(tmp_path / "a.zst")


def test_a_length_that_is_not_there_fills_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(struct.pack("<II", 0x184D2A5C, 2**32 - 1) + HEAD)
    assert "it is not a snapshot" in refusal(path)


# --- what it says of itself ---------------------------------------------------------------------------------------


def document(**changed: Any) -> bytes:
    return json.dumps(json.loads(MANIFEST.text()) | changed).encode()


WRONG: list[tuple[str, list[Any]]] = [
    ("made", ["yesterday", 5, "2026-11-26T17:44:17+00:00\n"]),
    ("program", ["\x1b[2J", "1" * 300, None]),
    ("node", ["geth", ["embedded"], None]),
    ("contracts", ["newest", {}]),
    ("registry", ["0xab", f"0x{'AB' * 20}", f'0x{"ab" * 20}"\nrpc: x', 5]),
    ("services", [[], ["redis"], ["node", "node"], ["redis", "node"], ["node", "mail"], "node", [["node"]]]),
    ("dialect", ["--fault", 2021, []]),
    ("forms", [[], {"node": 5, "redis": "a"}, {"node": "a\nb", "redis": "a"}, {"mail": "a"}]),
    ("state_form", ["6", -1, True, 1e9]),
    ("runs", [[], {"../x": 1}, {"a/b": 1}, {".": 1}, {"": 1}, {"x": -1}, {"x": "1"}, {"x\n": 1}, {"n" * 101: 1}]),
    ("files", [-1, 10**9, "3", None]),
    ("size", [-1, 2**63, 1.5]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG for value in values])
def test_a_value_that_cannot_be_is_refused_with_its_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{name}` in it is "):
        parse(document(**{name: value}))


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 10_000, document(more=1), b'{"schema": 1}'])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_another_schema_is_refused_with_both_numbers(tmp_path: Path) -> None:
    head = b"cicscenario snapshot\n" + document(schema=2)
    forged(tmp_path / "a.zst", head, zstandard.compress(b""))
    assert "it has schema 2, and this cicscenario reads schema 1" in refusal(tmp_path / "a.zst")


def test_services_without_their_form_are_refused() -> None:
    with pytest.raises(ValueError, match="not about the same services"):
        parse(document(forms={"node": "journal 1"}))


def test_each_difference_of_versions_is_told() -> None:
    here = {"node": "journal 2", "redis": "Valkey 9.1"}
    assert differences(MANIFEST, dict(MANIFEST.forms), 6) == []
    assert differences(MANIFEST, here, 6) == ["node: journal 1 in the snapshot, journal 2 here"]
    (later,) = differences(replace(MANIFEST, state_form=7), dict(MANIFEST.forms), 6)
    assert later == "states of runs: format 7 in the snapshot, up to 6 here"
