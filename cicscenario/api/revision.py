"""Copies files of a git revision, such as ``main:scenarios/ussd-1k.yaml``, to a temporary folder."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.files import make_folder, write_whole
from cicscenario.language import DiagnosticsError
from cicscenario.language.nodes import Mapping, Scalar, compose
from cicscenario.language.source import YAML, read_source


@dataclass(frozen=True)
class Place:
    """A file or folder. For one of a revision, the temporary folder ``root`` takes the place of ``checkout``."""

    path: Path
    name: str  #: its name in messages
    root: Path | None = None
    checkout: Path | None = None
    revision: str = ""

    def canonical(self, value: Any) -> Any:
        """The document with paths in the temporary folder replaced by those of the checkout."""
        if isinstance(value, dict):
            return {key: self.canonical(inner) for key, inner in value.items()}
        if isinstance(value, str) and self.root:
            return value.replace(str(self.root), str(self.checkout))
        return value

    def error(self, error: DiagnosticsError) -> DiagnosticsError:
        """The error with the names of the revision's files."""
        if not self.root:
            return error
        here = f"{self.root}/"
        return DiagnosticsError(
            replace(problem, file=problem.file.replace(here, f"{self.revision}:")) for problem in error.diagnostics
        )


@contextmanager
def place(argument: str) -> Iterator[Place]:
    """Opens a FILE, a folder or ``REV:PATH``; the temporary folder of a revision is deleted at the end.

    PATH is relative to the top of the checkout, or else to the current folder. Extended files come from the same revision.
    Raises InvalidError when it does not exist.
    """
    if Path(argument).exists() or ":" not in argument:
        yield Place(Path(argument), argument)
        return
    revision, _, path = argument.partition(":")
    git = _Git(revision)
    with tempfile.TemporaryDirectory(prefix="cicscenario-diff-") as folder:
        root = Path(folder).resolve()
        found = git.bring(path, root)
        yield Place(root / found, argument, root, git.checkout, revision)


class _Git:
    def __init__(self, revision: str) -> None:
        self.checkout = Path(_git("rev-parse", "--show-toplevel").decode().rstrip("\n"))
        self._prefix = _git("rev-parse", "--show-prefix").decode().rstrip("\n")
        try:
            self._commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except InvalidError:
            raise InvalidError(
                f"there is no file {revision}:… and no git revision `{revision}`",
                hint="name a file, or a revision as `git log` knows it, such as origin/main:scenarios/a.yaml",
            ) from None
        self._id = self._commit.decode().strip()
        listed = _git("ls-tree", "-r", "-z", "--full-tree", self._id)
        rows = (row.split("\t", 1) for row in listed.decode("utf-8", "surrogateescape").split("\0") if row)
        self._blobs = {name: head.split()[2] for head, name in rows if head.startswith("100")}

    def bring(self, path: str, root: Path) -> str:
        """Writes the file or folder at ``path`` under ``root``. Returns its path relative to ``root``."""
        for candidate in dict.fromkeys((normpath(path or "."), normpath(f"{self._prefix}{path}"))):
            if candidate in self._blobs:
                self._write(candidate, root)
                return candidate
            below = "" if candidate == "." else f"{candidate}/"
            inside = [name for name in self._blobs if name.startswith(below)]
            if inside:
                make_folder(root / candidate)
                for name in inside:
                    if name.endswith(YAML):
                        self._write(name, root)
                return candidate
        return normpath(path or ".")

    def _write(self, name: str, root: Path) -> None:
        """Writes a file, and the files that it extends."""
        target = root / name
        if target.exists() or name not in self._blobs or not target.resolve().is_relative_to(root):
            return
        make_folder(target.parent)
        write_whole(target, _git("cat-file", "blob", self._blobs[name]))
        try:
            document = compose(read_source(target), [])
        except DiagnosticsError:
            return  # loading the file will report the error, with its line
        entry = document.entries.get("extends") if isinstance(document, Mapping) else None
        if entry and isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
            self._write(normpath(str(PurePosixPath(name).parent / entry.value.value)), root)


def revision_of(path: Path) -> str:
    """The git revision that a file is at, in short, and whether it was changed since; empty when it is in no checkout."""
    try:
        here = ("-C", str(path.resolve().parent))
        commit = _git(*here, "rev-parse", "--short", "HEAD").decode().strip()
        changed = _git(*here, "-c", "core.fsmonitor=false", "status", "--porcelain", "--", path.resolve().name)
    except (InvalidError, OSError, subprocess.TimeoutExpired):
        return ""
    return f"{commit} with changes" if changed.strip() else commit


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True, timeout=60).stdout
    except FileNotFoundError:
        raise InvalidError("git is not installed", hint="install git, or name files") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip()
        raise InvalidError(f"git {arguments[0]} says: {said or 'no'}", hint="run this in a git checkout") from None
