"""What is wrong with a file, shown in a frame: where, the line, a caret, what was expected, the nearest valid name."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from cicscenario.errors import InvalidError

#: Every code, and what ``explain`` says about it.
CODES = {
    "S001": "The file cannot be read: it is missing, a folder, too large, not UTF-8 text, or not YAML.",
    "S002": "A key stands twice in one mapping. YAML would silently keep only one of them.",
    "S003": "The key is not part of the language. A mistyped key would otherwise change nothing, silently.",
    "S004": "A required key is missing.",
    "S005": "The value is not of the expected type, range or form.",
    "S006": "Two parts of the scenario contradict each other, so that it could never be carried out or proved.",
    "S007": "`extends` names a file that cannot be used: missing, or extending itself.",
    "S008": "An {{ expression }} cannot be evaluated: a name is unknown, or it asks for more than arithmetic on `vars`.",
    "S009": "A secret stands in the file. Write where it is instead: file:PATH, or {{ env.NAME }} in an environment file.",
    "S010": "--set does not name a key of the scenario.",
}


@dataclass(frozen=True)
class Span:
    """A place in a file: ``line`` and ``column`` count from 1, ``length`` in characters. ``text`` is the whole line."""

    file: str
    line: int
    column: int
    length: int
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One error. ``span`` is None only where there is no line to show."""

    code: str
    message: str
    span: Span | None
    label: str = ""  #: stands behind the caret
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.message}"]
        if self.span:
            lines += _frame(self.span, self.label)
        lines += [f"   = {note}" for note in (*self.notes, f"see: cicscenario explain {self.code}")]
        return "\n".join(lines)


class DiagnosticsError(InvalidError):
    """All errors of a file."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(str(diagnostic) for diagnostic in self.diagnostics))


def nearest(name: str, valid: Iterable[str]) -> str:
    """``did you mean `x`?`` for the closest of the valid names, or nothing when none is close."""
    found = get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return f"did you mean `{found[0]}`?" if found else ""


def allowed(names: Sequence[str], what: str = "allowed here") -> str:
    return f"{what}: {', '.join(names)}"


_WIDEST = 100


def _frame(span: Span, label: str) -> list[str]:
    text, column = span.text, span.column
    if len(text) > _WIDEST:  # keep the caret in sight
        start = max(0, min(column - 1 - _WIDEST // 2, len(text) - _WIDEST))
        text, column = text[start : start + _WIDEST], column - start
    gutter = " " * len(str(span.line))
    shown = text.replace("\t", " ")
    caret = " " * _cells(shown[: column - 1]) + "^" * max(1, min(_cells(shown[column - 1 :][: span.length]), _WIDEST))
    return [
        f"{gutter}--> {span.file}:{span.line}:{span.column}",
        f"{gutter} |",
        f"{span.line} | {shown}",
        f"{gutter} | {caret} {label}".rstrip(),
    ]


def _cells(text: str) -> int:
    """Width on a terminal: wide characters take two cells, combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
