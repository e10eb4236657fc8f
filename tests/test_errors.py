"""What the operating system says is told to people in one line with what to do next."""

import errno
import os
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


@pytest.mark.parametrize("path", [None, "/data/report.json"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.ENOMEM, errno.ESTALE])
def test_a_trouble_of_the_system_is_told_also_when_it_names_no_file(number: int, path: str | None) -> None:
    told = as_told(OSError(number, os.strerror(number), path) if path else OSError(number, os.strerror(number)))
    assert told is not None, "exit code 70: a bug"
    assert os.strerror(number).lower() in told.message
    assert told.hint
    if path is None or number != errno.EROFS:  # a place that the user has named is for the user to change
        assert told.exit_code is ExitCode.UNAVAILABLE


@pytest.mark.parametrize("number", [errno.EBADF, errno.EFAULT, errno.ENOTSOCK])
def test_what_only_a_bug_can_do_is_a_bug(number: int) -> None:
    assert as_told(OSError(number, os.strerror(number))) is None
