"""``cicscenario fmt``: writes files in the standard layout, or tells which are not in it."""

import stat
from collections.abc import Sequence
from pathlib import Path

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.files import write_whole
from cicscenario.language.finding import candidates
from cicscenario.language.layout import laid_out
from cicscenario.language.source import read_source
from cicscenario.printable import one_line, say
from cicscenario.wording import counted


def fmt(paths: Sequence[Path], *, check: bool) -> ExitCode:
    """Lays out the files, and the scenario and environment files of folders. ``check`` writes nothing.

    The exit code of a check is 1 when a file is not in the layout. Raises DiagnosticsError for a file that is not YAML, before
    any file is written, and InvalidError when there is no file.
    """
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise InvalidError(
            f"no scenario or environment file in {', '.join(map(str, paths))}", hint="name a file, or another folder"
        )
    texts = {file: (source := read_source(file), laid_out(source)) for file in files}
    changed = [file for file, (source, text) in texts.items() if source.text != text]
    for file in changed:
        if not check:
            write_whole(file.resolve(), texts[file][1], mode=stat.S_IMODE(file.stat().st_mode))
        say(f"{one_line(str(file))}: {'not in the layout' if check else 'laid out'}")
    if not changed:
        say(f"{counted(len(files), 'file')} in the layout already")
    return ExitCode.CHECKS_FAILED if check and changed else ExitCode.OK


def _files(path: Path) -> list[Path]:
    return [found.path for found in candidates(path) if found.left_out is None] if path.is_dir() else [path]
