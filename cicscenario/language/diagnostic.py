"""Errors and warnings in scenario and environment files: as data, and as a text frame with the source line."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from rich.cells import cell_len

from cicscenario.errors import InvalidError
from cicscenario.printable import one_line

_WIDTH = 100  #: maximum characters shown of a source line


class Code(StrEnum):
    """The kinds of errors and warnings in a file. Codes are stable: a code never gets another meaning."""

    UNREADABLE = "S001"
    ENCODING = "S002"
    SYNTAX = "S003"
    DUPLICATE_KEY = "S004"
    NOT_A_MAPPING = "S005"
    UNSUPPORTED = "S006"
    EXTENDS = "S007"
    EXPRESSION = "S008"
    UNDEFINED = "S009"
    OVERRIDE = "S010"
    WRONG_TYPE = "S011"
    MISSING_KEY = "S012"
    INVALID_VALUE = "S013"
    UNKNOWN_KEY = "S014"
    CONTRADICTION = "S015"
    LITERAL_SECRET = "S016"  # noqa: S105
    ONE_OF = "S017"
    INVISIBLE = "S018"
    PUBLIC_NETWORK = "S019"
    NO_SUCH_FILE = "S020"
    OTHER_FILE = "S021"
    SHELL_VARIABLE = "S022"
    UNUSED_VARIABLE = "L001"
    NO_SEED = "L002"
    IDLE_GIFT = "L003"
    IDLE_EXCLUSION = "L004"
    BOTH_WAYS = "L005"
    SAME_NAME = "L006"
    NOTHING_CHECKED = "L007"
    IDLE_KEY = "L008"

    @property
    def severity(self) -> str:
        """``warning`` when the file is valid but probably wrong, else ``error``."""
        return "warning" if self.startswith("L") else "error"


EXPLANATIONS = {
    Code.UNREADABLE: "The file cannot be read: it is missing, a folder, not a regular file, not readable by you, or over 1 MB.",
    Code.ENCODING: "The file is not plain UTF-8 text. Save it as UTF-8 without a byte order mark.",
    Code.SYNTAX: "The file is not YAML. Indent with spaces, close every bracket and quote, and quote special characters.",
    Code.DUPLICATE_KEY: "A mapping has the same key twice. Only one value can be used, so remove the other.",
    Code.NOT_A_MAPPING: "A file must hold exactly one YAML document, which is a mapping of keys to values.",
    Code.UNSUPPORTED: "YAML that the language does not support: tags, keys that are not text, very deep nesting, and aliases "
    "that expand a small file to a large one.",
    Code.EXTENDS: "The file named by `extends` cannot be used: it is missing, extends itself, or the chain is too long.",
    Code.EXPRESSION: "A `{{ }}` expression cannot be computed. It may use variables, literals, arithmetic, comparisons, "
    "`if … else`, `~`, and simple filters such as `lower`; nothing else.",
    Code.UNDEFINED: "A `{{ }}` expression uses a name that is not in `vars`. `env.NAME` exists in environment files only.",
    Code.OVERRIDE: "`--set` takes KEY=VALUE, where KEY is a dotted key such as population.size and VALUE is YAML.",
    Code.WRONG_TYPE: "The value has the wrong type for this key.",
    Code.MISSING_KEY: "A required key is missing.",
    Code.INVALID_VALUE: "The value has the right type, but the key does not allow it.",
    Code.UNKNOWN_KEY: "There is no such key at this place.",
    Code.CONTRADICTION: "Two values are valid each, but not together.",
    Code.LITERAL_SECRET: "A secret is written in the file. Files are shared and reviewed, so refer to it instead: "
    "`file:PATH` (relative to the file) or, in environment files, `{{ env.NAME }}`.",
    Code.ONE_OF: "The mapping must have exactly one of several keys.",
    Code.INVISIBLE: "A character that cannot be seen, or looks like another one: a no-break space, a zero width space, a "
    "typographic quote, a full-width colon. YAML takes it for a letter. Type the place anew; copying keeps the character.",
    Code.PUBLIC_NETWORK: "The chain id is that of a public network, where transactions cost money and stay for ever. Write "
    "the chain id into `public_network` of the environment file if that is meant.",
    Code.NO_SUCH_FILE: "A key names a file or a folder that is not there, or is not of the kind that is needed. Paths are "
    "relative to the file that they are written in.",
    Code.OTHER_FILE: "The file is of another kind. A scenario says what to do (it has `population`), an environment file says "
    "where (it has `chain`, `ussd`, `meta`): a scenario names its environment file in `environment`, or `--env` does.",
    Code.SHELL_VARIABLE: "A variable of the shell is not read as `$NAME`. In an environment file write `{{ env.NAME }}`, in "
    "quotes. A scenario reads no variables of the shell, so that it means the same everywhere: use `vars`, or `--set`.",
    Code.UNUSED_VARIABLE: "No expression uses this variable. Remove it or use it, because an unused value misleads readers.",
    Code.NO_SEED: "The scenario has no `population.seed`, so it makes the people of the default seed. Add a seed: then readers "
    "know who the people are, and two scenarios can have different people.",
    Code.IDLE_GIFT: "A key sets how gifts are paid, but no gifts are paid: the threshold is 0, or the method is none. Remove "
    "the key, or set `gift.threshold`.",
    Code.IDLE_EXCLUSION: "The excluded check does not apply to this scenario anyway. Remove it from the list; otherwise the "
    "check stays excluded when a later change makes it apply.",
    Code.BOTH_WAYS: "The same check is included and excluded. The exclusion wins; remove one of the two.",
    Code.SAME_NAME: "Two files have the same scenario name. Their runs would use the same run directory, and the second would "
    "be refused. Give each scenario another name.",
    Code.NOTHING_CHECKED: "No check is left, so the run verifies nothing.",
    Code.IDLE_KEY: "The key has no effect with this backend, or for the people of this scenario. Remove it, because a value "
    "without effect misleads readers.",
}


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning: the problem, its place, what was expected and what to do.

    ``line`` and ``column`` count from 1; both are 0 when the whole file is meant. ``source_line`` never holds a secret.
    """

    code: Code
    message: str
    file: str
    line: int = 0
    column: int = 0
    length: int = 1
    source_line: str = ""
    expected: str | None = None
    suggestion: str | None = None
    hint: str | None = None
    key: str | None = None  #: the dotted key, when the language has it

    def render(self) -> str:
        """The error as a frame of plain text."""
        gutter = " " * len(str(self.line)) if self.line else " "
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        guess = f"did you mean `{one_line(self.suggestion)}`?" if self.suggestion else ""
        lines = [f"{self.code.severity}[{self.code}]: {one_line(self.message)}", f"{gutter}--> {one_line(place)}"]
        if self.line:
            shown, caret = _excerpt(self.source_line, self.column - 1, self.length)
            lines += [f"{gutter} |", f"{self.line} | {shown}".rstrip(), f"{gutter} | {caret} {guess}".rstrip()]
        elif guess:
            lines.append(f"{gutter} = {guess}")
        if self.expected:
            lines.append(f"{gutter} = expected: {self.expected}")
        if self.hint:
            lines.append(f"{gutter} = hint: {self.hint}")
        # After an error, readers need the allowed values of the key; after a warning, the reason for it.
        about = self.key if self.key and self.code.severity == "error" else self.code
        lines.append(f"{gutter} = see: cicscenario explain {about}")
        return "\n".join(lines)


class DiagnosticsError(InvalidError):
    """All errors of a file, in the order of the file."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(diagnostic.render() for diagnostic in self.diagnostics))


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of ``names``; None when no name is similar enough. Case, dashes and humps make no difference.

    ``cutoff`` is how similar it has to be: 1 for the same, 0 for anything.
    """
    known: dict[str, str] = {}
    for one in names:
        known.setdefault(_alike(one), one)
    close = get_close_matches(_alike(name), list(known), n=1, cutoff=cutoff)
    close = close or [one for one in known if len(name) >= _SHORT and one.startswith(_alike(name))]
    return known[close[0]] if close else None


_SHORT = 3  # letters that a shortened name has at least


def same_but_spelling(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that differs only in case, dashes, spaces, humps and signs at the ends; None when none does."""
    return next((one for one in names if _alike(one) == _alike(name)), None)


def _alike(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name.strip(" \t,;:.'\"`"))
    return re.sub(r"[\s_-]+", "_", snake).casefold()


def _excerpt(line: str, start: int, length: int) -> tuple[str, str]:
    """The part of the line around the error, and the line of carets below it, aligned in terminal cells."""
    line = "".join(character if character.isprintable() else " " for character in line)
    first = max(0, start - _WIDTH // 2) if len(line) > _WIDTH else 0
    window = line[first : first + _WIDTH]
    before, after = "…" * (first > 0), "…" * (first + _WIDTH < len(line))
    marked = window[start - first : start - first + max(1, length)]
    indent = cell_len(before + window[: start - first])
    return f"{before}{window}{after}", " " * indent + "^" * max(1, cell_len(marked))
