"""Characters that cannot be seen, or look like another: where they are, how they are called, and what was meant."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.lookalikes import plain_letter
from cicscenario.language.source import Source, Span

_SPACE = " "
#: Look-alikes that Unicode does not relate to the character that was meant. Fillers look like a space or like nothing.
_MEANT = {
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u301d\u301e", '"'),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a\u00b4", "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u02d0\u02f8\u0589\u05c3\u2236\ua789", ":"),
    **dict.fromkeys("\u060c\u3001\u201a", ","),
    **dict.fromkeys("\u115f\u1160\u3164\uffa0\u2800", _SPACE),
    **dict.fromkeys("\u034f\u17b4\u17b5\u180e", ""),
    **dict.fromkeys("\x85\u2028\u2029", "\n"),
}
_QUOTES = "\"'"
_WORD = re.compile(r"\w+|\W")
_STRUCTURE = frozenset(":,[]{}\"'-\n")  #: characters that a reader of YAML takes for more than text
_JOINERS = "\u200c\u200d"  # of Persian, Indic scripts and emoji


@dataclass(frozen=True)
class Odd:
    """One such character. ``line`` and ``column`` count from 0; ``meant`` is empty for one that stands for nothing."""

    character: str
    meant: str
    line: int
    column: int

    @property
    def structural(self) -> bool:
        """Whether the text is read otherwise than it looks: the rest of the file may then be misread, too."""
        return self.meant in _STRUCTURE and bool(self.meant)

    def diagnostic(self, source: Source, where: str) -> Diagnostic:
        """The error at its place; ``where`` says what it is in, such as "a key"."""
        message, more = self._words(where)
        return Span(source, self.line, self.column).diagnostic(Code.INVISIBLE, message, **more)

    def _words(self, where: str) -> tuple[str, dict[str, str]]:
        expected = _EXPECTED.get(self.meant) or f"`{self.meant}`, U+{ord(self.meant):04X}"
        return f"{named(self.character)} in {where}", {"expected": expected, "hint": _HINT}

    def instead_of(self, problem: Diagnostic) -> Diagnostic:
        """An error in a text with this character, as an error about the character."""
        where = f"the value of `{problem.key}`" if problem.key else "this text"
        message, more = self._words("a key" if problem.code is Code.UNKNOWN_KEY else where)
        return replace(
            problem,
            code=Code.INVISIBLE,
            message=message,
            column=self.column + 1,
            length=1,
            expected=more["expected"],
            suggestion=None,
            hint=more["hint"],
        )


_HINT = "it comes from a web page or a word processor; type it anew"
_EXPECTED = {"": "nothing in this place", _SPACE: "a plain space, U+0020", "\n": "a line break, U+000A"}


def named(character: str) -> str:
    """The code point and the name of a character."""
    return f"U+{ord(character):04X} {unicodedata.name(character, 'CONTROL CHARACTER')}"


def meant(character: str) -> str | None:
    """What a person meant who typed a character; None when it is what it looks like."""
    if character.isascii():
        return None
    if character in _MEANT:
        return _MEANT[character]
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category == "Zs":
        return _SPACE
    if category == "Nd":
        return str(unicodedata.decimal(character))
    plain = unicodedata.normalize("NFKC", character)
    wide = unicodedata.decomposition(character).startswith(("<wide>", "<small>", "<vertical>"))
    return plain if wide and len(plain) == 1 and plain.isascii() else plain_letter(character)


def odd_in(text: str, line: int = 0, column: int = 0) -> list[Odd]:
    """The odd characters of a text within one line, which begins at this place."""
    if text.isascii():
        return []
    found = []
    for at, character in enumerate(text):
        instead = meant(character)
        if instead is None or (character in _JOINERS and _joins(text, at)):
            continue
        if not instead.isalpha() or _in_ascii_word(text, at):
            found.append(Odd(character, instead, line, column + at))
    return found


def _in_ascii_word(text: str, at: int) -> bool:
    """Whether a letter is in a word that has no letters but ASCII's and those that look like them."""
    word = next(word for word in _WORD.finditer(text) if word.start() <= at < word.end())
    return all(c.isascii() or meant(c) is not None for c in word[0])


def _joins(text: str, at: int) -> bool:
    """Whether a joiner is between two letters or signs that are not ASCII."""
    return 0 < at < len(text) - 1 and not text[at - 1].isascii() and not text[at + 1].isascii()


def odd_between(source: Source, span: Span, end: tuple[int, int]) -> Iterator[Odd]:
    """The odd characters of a source from a place up to ``end`` (line, column)."""
    for number in range(span.line, min(end[0] + 1, len(source.lines))):
        first = span.column if number == span.line else 0
        last = end[1] if number == end[0] else None
        yield from odd_in(source.lines[number][first:last], number, first)


def cleaned(text: str) -> str:
    """The text as it was meant."""
    instead = {odd.column: odd.meant for odd in odd_in(text)}
    return "".join(instead.get(at, character) for at, character in enumerate(text)) if instead else text


def suspicious(found: list[Odd], text: str, *, plain: bool, means_more: bool) -> list[Odd]:
    """Those of the odd characters of a value that are an error whatever the key is.

    What cannot be seen always is. What looks like a space or another character is a part of many texts; it is an error in an
    unquoted value (``plain``) at an end, for a quote around it, and when the cleaned text is no text (``means_more``).
    """
    quoted = bool(text) and meant(text[0]) in tuple(_QUOTES)
    edges = {text[:1], text[-1:]}
    return [
        odd
        for odd in found
        if not odd.meant
        or (plain and means_more)
        or (plain and odd.meant == _SPACE and odd.character in edges)
        or (plain and quoted and odd.meant in _QUOTES and odd.character in edges)
    ]


#: Errors about a text, which such a character in it explains better than they do.
_EXPLAINED = (
    Code.EXPRESSION,
    Code.UNDEFINED,
    Code.OVERRIDE,
    Code.WRONG_TYPE,
    Code.INVALID_VALUE,
    Code.UNKNOWN_KEY,
    Code.NO_SUCH_FILE,
)


def explained(problem: Diagnostic) -> Diagnostic:
    """The error about the character, when an error is about a text with an odd one; else the error itself."""
    if problem.code not in _EXPLAINED or problem.key == "description":
        return problem
    text = problem.source_line[problem.column - 1 : problem.column - 1 + problem.length]
    found = odd_in(text, problem.line - 1, problem.column - 1)
    return found[0].instead_of(problem) if found else problem


def all_explained(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The errors, with those about an odd character in place of others about the text that it is in, each place once."""
    found: dict[Any, Diagnostic] = {}
    for problem in map(explained, problems):
        place = (problem.file, problem.line, problem.column)
        found.setdefault(place if problem.code is Code.INVISIBLE else problem, problem)
    return list(found.values())


#: The place (line, column) of the first syntax error in a text, or None.
SyntaxTest = Callable[[str], tuple[int, int] | None]

_TRIED = 20  # lines with odd characters that are looked at for one syntax error


def blamed(source: Source, failing: SyntaxTest, *, skip: int = 0) -> list[Diagnostic]:
    """The characters to blame for a syntax error: those without which the reader gets further. Empty when there are none."""
    lines = list(source.lines)
    lines[0] = " " * skip + lines[0][skip:]
    found: list[Diagnostic] = []
    error = failing("\n".join(lines))
    while error is not None:
        culprit = _culprit(lines, error, failing)
        if culprit is None:
            break
        odd = culprit[0]
        where = "the indentation" if _indents(odd, lines[odd.line]) else "this line"
        found.append(odd.diagnostic(source, where))
        lines[odd.line] = culprit[1]
        error = failing("\n".join(lines))
    return found


def _culprit(lines: list[str], error: tuple[int, int], failing: SyntaxTest) -> tuple[Odd, str] | None:
    """The character to blame for an error, and its line as it was meant. The nearest line above the error comes first."""
    tried = 0
    for number in range(min(error[0], len(lines) - 1), -1, -1):
        found = [odd for odd in odd_in(lines[number], number) if not odd.meant.isalpha()]  # letters are no syntax
        tried += bool(found)
        if tried > _TRIED:
            return None
        # First each kind of character alone, so that one that is part of a text is not blamed for another.
        for kind in [*dict.fromkeys(odd.character for odd in found), None] if found else []:
            blamed_here = [odd for odd in found if kind in (odd.character, None)]
            line = _without(lines[number], blamed_here)
            after = failing("\n".join([*lines[:number], line, *lines[number + 1 :]]))
            further = after is None or after[0] > error[0]
            if further or (number >= error[0] - 1 and _indents(blamed_here[0], lines[number])):
                return blamed_here[0], line
    return None


def _indents(odd: Odd, line: str) -> bool:
    """Whether a character is a part of the indentation, which YAML counts in plain spaces."""
    return odd.meant == _SPACE and not line[: odd.column].strip()


def _without(line: str, odds: list[Odd]) -> str:
    instead = {odd.column: ": " if odd.meant == ":" else odd.meant for odd in odds}
    return "".join(instead.get(at, character) for at, character in enumerate(line))
