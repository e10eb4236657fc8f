"""Reads files and represents places in them. Rejects files that cannot be scenarios (too large, binary) early."""

import codecs
import errno
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cicscenario.errors import reason_of
from cicscenario.inputs import read_input
from cicscenario.language.diagnostic import Code, Diagnostic, DiagnosticsError, nearest
from cicscenario.language.redaction import hide_value, redact_all

MAX_BYTES = 1_000_000
YAML = (".yaml", ".yml")  #: endings of the names of files whose lines errors show
_UNQUOTED = (
    f"there is an error here; a file that another one names is shown only when its name ends in {' or '.join(YAML)}"
)

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML 1.1 and libyaml count lines
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


@dataclass(frozen=True)
class Source:
    """The source of values: a file, or one ``--set`` option.

    ``name`` is its name in errors; paths in it are relative to ``folder``. ``quoted`` is whether errors may show what is in it.
    """

    name: str
    text: str
    folder: Path
    quoted: bool = True

    @cached_property
    def lines(self) -> list[str]:
        return _LINE_BREAK.split(self.text)

    @cached_property
    def shown(self) -> list[str]:
        """The lines for error messages, with secrets hidden."""
        return redact_all(self.lines)


@dataclass(frozen=True)
class Span:
    """A place in a source; ``line`` and ``column`` count from 0."""

    source: Source
    line: int
    column: int
    length: int = 1

    def diagnostic(self, code: Code, message: str, **more: Any) -> Diagnostic:
        """An error at this place. Of a source that is not quoted it says nothing but the place."""
        if not self.source.quoted:
            return Diagnostic(code, _UNQUOTED, self.source.name, self.line + 1, self.column + 1)
        lines = self.source.lines
        text = lines[self.line] if self.line < len(lines) else ""
        return Diagnostic(
            code,
            message,
            self.source.name,
            self.line + 1,
            self.column + 1,
            max(1, min(self.length, len(text) - self.column)),
            self.source.shown[self.line] if text else "",
            **more,
        )

    @property
    def hidden(self) -> bool:
        """Whether errors do not show the whole line, because a secret may be in it."""
        lines, shown = self.source.lines, self.source.shown
        return not self.source.quoted or (self.line < len(lines) and shown[self.line] != lines[self.line])

    def after(self, characters: int) -> "Span":
        """One character of the span, so many behind its first."""
        return Span(self.source, self.line, self.column + characters)

    def hide(self) -> None:
        """Hides the value of the key at this place in errors."""
        hide_value(self.source.shown, self.line, self.column + self.length)

    def find(self, word: str) -> "Span":
        """The first ``word`` in the rest of the line, or else the whole span."""
        lines = self.source.lines
        text = lines[self.line] if self.line < len(lines) else ""
        found = re.compile(rf"\b{re.escape(word)}\b").search(text, self.column)
        return Span(self.source, self.line, found.start(), len(word)) if found else self


def read_source(path: Path, *, named_by_file: bool = False) -> Source:
    """Reads a regular UTF-8 file of at most 1 MB; raises DiagnosticsError for anything else.

    ``named_by_file``: another file names it, perhaps one of somebody else. Then errors show its lines only if it is a YAML file
    by its name, that of the file itself and not of a link: ``extends: /etc/shadow`` must not print the passwords.
    """
    try:
        data = read_input(path, MAX_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from None
    quoted = not named_by_file or path.resolve().suffix.lower() in YAML
    return Source(str(path), _decode(path, data), path.absolute().parent, quoted)


def _decode(path: Path, data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            raise _fail(Code.ENCODING, path, f"the file is {encoding}", expected="UTF-8 without a byte order mark")
    if b"\0" in data:
        raise _fail(Code.ENCODING, path, "the file is binary: it has NUL bytes", expected="UTF-8 text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"the file is not UTF-8: byte 0x{data[error.start]:02x} on line {line}"
        raise _fail(Code.ENCODING, path, message, expected="UTF-8 text") from None


def _unreadable(path: Path, error: OSError) -> DiagnosticsError:
    if isinstance(error, FileNotFoundError):
        guess = _alike(path)
        return _fail(Code.UNREADABLE, path, "there is no such file", suggestion=str(guess) if guess else None)
    hint = _HINTS.get(error.errno or 0)
    return _fail(Code.UNREADABLE, path, f"the file cannot be read: {reason_of(error)}", hint=hint)


_HINTS = {
    errno.EFBIG: "is this the right file? A scenario holds the number of people, not their data",
    errno.EINVAL: "name a YAML file; what a pipe gives has to be written to a file first",
}


def _alike(path: Path) -> Path | None:
    """The YAML file in the same folder whose name is most similar to a missing one. Compares names without suffixes."""
    beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    files = {file.stem: file for file in beside if file.suffix in YAML}
    guess = nearest(path.stem, files)
    return files[guess] if guess else None


def _fail(code: Code, path: Path, message: str, **more: Any) -> DiagnosticsError:
    return DiagnosticsError([Diagnostic(code, message, str(path), **more)])
