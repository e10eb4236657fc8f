"""What the operating system says is told to people in one line with what to do next."""

import tempfile

import pytest

from cicscenario.errors import ExitCode, as_told


def test_no_folder_for_temporary_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.mkdtemp()
    told = as_told(caught.value)
    assert told is not None
    assert told.message == "there is no folder for temporary files that can be written to"
    assert told.exit_code is ExitCode.UNAVAILABLE
    assert "TMPDIR" in str(told.hint)
