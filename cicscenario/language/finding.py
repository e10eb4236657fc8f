"""Finds the scenarios, environment files and profiles in a folder that also has other YAML files."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cicscenario.language.diagnostic import DiagnosticsError
from cicscenario.language.kinds import OTHERS_KEYS, all_names
from cicscenario.language.nodes import Mapping, compose
from cicscenario.language.profiles import is_profile_document
from cicscenario.language.source import YAML, read_source

_SKIPPED = ("node_modules", "__pycache__", "venv")  #: folders of other programs; those that begin with a dot are, too


@dataclass(frozen=True)
class Candidate:
    """A file or folder within the folder that was named; ``left_out`` is the reason for which it is not looked at, or None."""

    path: Path
    left_out: str | None = None


def candidates(folder: Path) -> Iterator[Candidate]:
    """The YAML files in a folder and those below it, sorted, and the folders that are not looked into."""
    for place, names, files in os.walk(folder):
        skipped = sorted(name for name in names if name.startswith(".") or name in _SKIPPED)
        names[:] = sorted(set(names) - set(skipped))
        yield from (Candidate(Path(place, name), "a folder of other programs") for name in skipped)
        for file in sorted(Path(place, name) for name in files):
            if file.suffix in YAML and file.is_file():
                yield Candidate(file, _foreign(file))


def _foreign(path: Path) -> str | None:
    """Why a file is no scenario, environment file or profile; None when it is one, also with mistakes."""
    try:
        source = read_source(path)
    except DiagnosticsError:
        return None  # it is told why it cannot be read
    try:
        document = compose(source, [])
    except DiagnosticsError:
        begins = rf"^(?:{'|'.join(map(re.escape, sorted(all_names() - OTHERS_KEYS)))})\s*:"
        return None if re.search(begins, source.text, re.MULTILINE) else "not YAML, and without a key of a scenario"
    if not isinstance(document, Mapping):
        return "a list or a single value"
    if document.entries.keys() & (all_names() - OTHERS_KEYS) or is_profile_document(document):
        return None
    return "no scenario, environment file or profile: it has no key of any of them"
