"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from cicscenario.files import OWNER_ONLY, replacing, write_once, write_whole


def test_a_file_that_cannot_be_written_to_its_end_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "pins.csv"
    write_whole(path, "old")

    def break_off() -> None:
        with replacing(path) as file:
            file.write(b"ne")
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        break_off()
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["pins.csv"]


def test_a_file_has_its_mode_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with replacing(path, mode=OWNER_ONLY) as file:
        file.write(b"x")
        (passing,) = tmp_path.iterdir()
        assert passing.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_utf_8_cannot_hold_is_escaped(tmp_path: Path) -> None:
    write_whole(tmp_path / "report", "\udcff")
    assert (tmp_path / "report").read_text() == "\\udcff"


def test_the_first_content_stays(tmp_path: Path) -> None:
    write_once(tmp_path / "secret", "first")
    write_once(tmp_path / "secret", "second")
    assert (tmp_path / "secret").read_text() == "first"
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]
