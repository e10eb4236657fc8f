"""The directory of a run: its secrets."""

from pathlib import Path

import pytest

from cicscenario.errors import StateRefusedError
from cicscenario.state.directory import run_secret


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
