"""``cicscenario fmt``: lays files out, or tells which are not."""

from pathlib import Path

import pytest

from cicscenario.cli.fmt import fmt
from cicscenario.errors import ExitCode, InvalidError

NEAT = "version: 1 # of the language\nname: a\npopulation: {size: 3}\n"
MESSY = "version:  1 # of the language\nname: a\n\n\npopulation: { size: 3 }\n"


def test_a_check_writes_nothing_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(MESSY)
    (tmp_path / "b.yaml").write_text(NEAT)
    assert fmt([tmp_path], check=True) is ExitCode.CHECKS_FAILED
    assert capsys.readouterr().out == f"{tmp_path}/a.yaml: not in the layout\n"
    assert (tmp_path / "a.yaml").read_text() == MESSY


def test_files_are_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(MESSY)
    path.chmod(0o640)
    assert fmt([path], check=False) is ExitCode.OK
    assert path.read_text() == NEAT.replace("name: a\n", "name: a\n\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert fmt([path], check=True) is ExitCode.OK
    assert "1 file in the layout already" in capsys.readouterr().out


def test_other_yaml_of_a_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services:   {a: 1}\n")
    with pytest.raises(InvalidError, match="no scenario or environment file"):
        fmt([tmp_path], check=False)
    assert (tmp_path / "compose.yaml").read_text() == "services:   {a: 1}\n"


def test_nothing_is_written_when_one_file_is_broken(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MESSY)
    (tmp_path / "b.yaml").write_text("version: 1\npopulation: [\n")
    with pytest.raises(InvalidError):
        fmt([tmp_path], check=False)
    assert (tmp_path / "a.yaml").read_text() == MESSY
