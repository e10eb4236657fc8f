"""Finds the cause of a YAML syntax error: the small change of a line by which the parser gets further."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.invisible import SyntaxTest
from cicscenario.language.schema import Schema, properties
from cicscenario.language.source import Source, Span
from cicscenario.resources import load_schema
from cicscenario.wording import counted

_KINDS = ("scenario-v1", "environment-v1")
_LINES_TRIED = 12  # lines with text, from the error upwards
_ERRORS = 10  # in one file
_TEXT = 100_000  # characters of a file that is tried; larger ones get the parser's own words

_KEY = r"[A-Za-z_][\w.-]*"
_HEAD = r"(?P<head>\s*(?:- +)*)"


@dataclass(frozen=True)
class Mend:
    """A change of one line: its new text, the place (column, length) of the mistake, and what to tell."""

    line: str
    column: int
    length: int
    message: str
    expected: str
    final: bool = False  #: whether the lines below cannot be told from the mended text


def mended(source: Source, failing: SyntaxTest, *, skip: int = 0) -> list[Diagnostic]:
    """The errors whose cause is known, in the order of the file. Empty when the first one's is not."""
    if len(source.text) > _TEXT:
        return []
    lines = list(source.lines)
    lines[0] = " " * skip + lines[0][skip:]
    found: list[Diagnostic] = []
    error = failing("\n".join(lines))
    while error is not None and len(found) < _ERRORS:
        cause = _cause(lines, error, failing)
        if cause is None:
            break
        number, mend, error = cause
        if Span(source, number, 0).hidden:
            break  # what is told of a line quotes it
        span = Span(source, number, mend.column, mend.length)
        found.append(span.diagnostic(Code.SYNTAX, mend.message, expected=mend.expected))
        if mend.final:
            break
        lines[number] = mend.line
    return found


def _cause(
    lines: list[str], error: tuple[int, int], failing: SyntaxTest
) -> tuple[int, Mend, tuple[int, int] | None] | None:
    """The line to blame for an error, its mend, and the next error. The nearest line above the error comes first."""
    last = min(error[0], len(lines) - 1)
    numbers = [number for number in range(last, -1, -1) if lines[number].strip()][:_LINES_TRIED]
    for number in numbers:
        for mend in _mends(lines, number):
            after = failing("\n".join([*lines[:number], mend.line, *lines[number + 1 :]]))
            if after is None or after[0] > error[0]:
                return number, mend, after
    return None


def _mends(lines: list[str], number: int) -> Iterator[Mend]:
    for mend in _MENDS:
        yield from mend(lines[number])
    yield from _indentation(lines, number)


# --- one line -----------------------------------------------------------------------------------------------------


def _other_comment(line: str) -> Iterator[Mend]:
    start = len(line) - len(line.lstrip())
    if line.startswith("//", start):
        yield Mend(
            f"{line[:start]}#{line[start + 2 :]}", start, 2, "`//` does not begin a comment", "`#` before a comment"
        )


def _no_space(line: str) -> Iterator[Mend]:
    if found := no_space_after_colon(line):
        key, rest, column = found
        head = line[: column - len(key)]
        yield Mend(f"{head}{key}: {rest}", column, 1, *told_no_space(key, rest))


def no_space_after_colon(text: str) -> tuple[str, str, int] | None:
    """The key, the value, and the place of the colon, in a text such as ``backend:eth``. None for any other text."""
    found = re.match(rf"{_HEAD}(?P<key>{_KEY}):(?!//)(?P<rest>\S.*)$", text, re.DOTALL)
    return (found["key"], found["rest"], found.end("key")) if found else None


def joined(text: str, names: Collection[str]) -> tuple[int, str, str] | None:
    """The mistake in a text that is one of the keys ``names`` and its value, such as ``size:10`` and ``size = 10``.

    Its place in the text, the message, and what is expected; None when the text is something else.
    """
    for mend in (_no_space, _equals, _no_colon):
        for found in mend(text.partition("\n")[0]):
            if (key := _key_of(found.line)) and key in names:
                return found.column, found.message, found.expected
    return None


def told_no_space(key: str, rest: str) -> tuple[str, str]:
    """The message, and what is expected, about a colon without a space behind it."""
    value = rest.partition(" #")[0].partition("\n")[0].strip()
    return f"no space after the colon of `{key}`", f"a space there: `{key}: {value}`"


def _equals(line: str) -> Iterator[Mend]:
    if found := re.match(rf"{_HEAD}(?P<key>{_KEY})(?P<gap>\s*)=\s*(?P<rest>.*)$", line):
        at = found.end("gap")
        text = f"{found['key']}: {found['rest']}"
        yield Mend(
            f"{found['head']}{text}", at, 1, f"`=` after the key `{found['key']}`", f"a colon and a space: `{text}`"
        )


def _no_colon(line: str) -> Iterator[Mend]:
    found = re.match(rf"{_HEAD}(?P<key>{_KEY})\s+(?P<rest>[^\s:].*)$", line)
    if found and ": " not in line and not line.endswith(":"):
        text = f"{found['key']}: {found['rest']}"
        at = found.end("key")
        yield Mend(
            f"{found['head']}{text}", at, 1, f"no colon after `{found['key']}`", f"a colon and a space: `{text}`"
        )


def _special(line: str) -> Iterator[Mend]:
    """A value that begins with a sign that YAML reads as something else, alone in the line or within brackets or braces."""
    alone = re.match(rf"{_HEAD}(?:{_KEY}:\s+)?(?P<value>[*&!%@`|>].*?)(?:\s+#.*|\s*)$", line)
    within = re.finditer(rf"[\[{{,]\s*(?:{_KEY}:\s+)?(?P<value>[*&!%@`|>][^,\]}}]*?)\s*(?=[,\]}}])", line)
    for found in [*([alone] if alone else []), *within]:
        start, stop = found.span("value")
        quoted = json.dumps(found["value"], ensure_ascii=False)
        message = f"a text that begins with `{found['value'][0]}` needs quotes"
        yield Mend(f"{line[:start]}{quoted}{line[stop:]}", start, stop - start, message, quoted)


def _two_colons(line: str) -> Iterator[Mend]:
    found = re.match(rf"{_HEAD}(?P<key>{_KEY}): +(?P<value>[^\"'\[{{#].*?: .*?)(?P<rest>\s+#.*|\s*)$", line)
    if not found:
        return
    start, value = found.start("value"), found["value"]
    inner = value.partition(":")[0]
    if inner in _children(found["key"]):
        text = f"{found['key']}: {{{value}}}"
        yield Mend(
            f"{found['head']}{text}",
            start,
            len(inner),
            f"two keys in one line: `{inner}` in `{found['key']}`",
            (f"`{inner}` on a line of its own, indented deeper; when it is the only one, also `{text}`"),
            final=True,
        )
    quoted = json.dumps(value, ensure_ascii=False)
    at = start + value.index(": ")
    message = "a text with a colon and a space in it needs quotes"
    yield Mend(f"{line[:start]}{quoted}{found['rest']}", at, 1, message, quoted)


def _trailing(line: str) -> Iterator[Mend]:
    if found := re.match(r"(?P<text>.*[\]}\"'\w])(?P<sign>[,;])(?P<rest>\s*(#.*)?)$", line):
        name = {",": "comma", ";": "semicolon"}[found["sign"]]
        message = f"a {name} at the end of the line"
        yield Mend(found["text"] + found["rest"], found.start("sign"), 1, message, f"to leave the {name} out")


_CLOSING = {"[": "]", "{": "}"}


def _unclosed(line: str) -> Iterator[Mend]:
    """A bracket, a brace or a quote that has no partner in the line."""
    opened: list[int] = []
    quote = -1
    for at, sign in enumerate(line):
        if quote >= 0:
            quote = -1 if sign == line[quote] else quote
        elif sign in "\"'" and (at == 0 or line[at - 1] in " [{,"):
            quote = at
        elif sign == "#" and (at == 0 or line[at - 1] == " "):
            return
        elif sign in _CLOSING:
            opened.append(at)
        elif sign in _CLOSING.values() and opened:
            opened.pop()
    if quote >= 0:
        yield Mend(
            line.rstrip() + line[quote], quote, 1, "a quote is opened here", f"that it is closed: `{line[quote]}`"
        )
    elif opened:
        sign = line[opened[-1]]
        closed = line.rstrip() + "".join(_CLOSING[line[at]] for at in reversed(opened))
        yield Mend(closed, opened[-1], 1, f"`{sign}` is opened here and not closed", f"`{_CLOSING[sign]}` at its end")


def _inner_quote(line: str) -> Iterator[Mend]:
    """A text in quotes with the same quote in it."""
    if found := re.match(rf"{_HEAD}{_KEY}:\s+(?P<value>(?P<quote>[\"']).*(?P=quote))(?P<rest>\s*)$", line):
        quoted = json.dumps(found["value"][1:-1], ensure_ascii=False)
        message = f"a text in quotes with the quote `{found['quote']}` in it"
        yield Mend(
            f"{line[: found.start('value')]}{quoted}", found.start("value"), len(found["value"]), message, quoted
        )


_MENDS: tuple[Callable[[str], Iterator[Mend]], ...] = (
    _other_comment,
    _no_space,
    _equals,
    _no_colon,
    _trailing,
    _special,
    _two_colons,
    _unclosed,
    _inner_quote,
)


# --- indentation --------------------------------------------------------------------------------------------------


def _indentation(lines: list[str], number: int) -> Iterator[Mend]:
    """A line that begins neither where the keys beside it begin nor where those of a mapping around it do."""
    line = lines[number]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return  # YAML's own words name the tab
    key, depth = _key_of(line), _depth(line)
    above = next((n for n in range(number - 1, -1, -1) if _has_text(lines[n])), None)
    if key is None:
        return
    if above is None:
        if depth:
            message = f"`{key}` is indented by {_spaces(depth)}"
            yield Mend(line.lstrip(), depth, len(key), message, "0 spaces, as the keys beside it")
        return
    upper, upper_depth = _key_of(lines[above]), _depth(lines[above])
    if depth > upper_depth and upper and key in _children(upper):
        message = f"`{upper}` has a value on its line, so no keys can follow below it"
        short = _short(upper)
        expected = f"a value or keys; with keys, the value goes to an own line{f', as `{short}`' if short else ''}"
        yield Mend(" " * upper_depth + line.lstrip(), depth, len(key), message, expected)
        return
    if (
        depth == upper_depth
        and lines[above].rstrip().endswith(":")
        and (key in _children(upper or "") or not _at_the_top(key))
    ):
        level = next(
            (_depth(text) for text in lines[number + 1 :] if _has_text(text) and _depth(text) > depth), depth + 2
        )
        message = f"`{key}` is indented by {_spaces(depth)}"
        yield Mend(" " * level + line.lstrip(), depth, len(key), message, f"{_spaces(level)}, as the keys of `{upper}`")
    levels = _levels(lines, above)
    if depth < min(levels):
        return  # then the first line is the one that is indented otherwise
    for level in sorted(levels, key=lambda level: (abs(level - depth), -level)):
        if level != depth and (level > 0 or _at_the_top(key)) and _stand_together(key, levels[level]):
            message = f"`{key}` is indented by {_spaces(depth)}"
            yield Mend(
                " " * level + line.lstrip(), depth, len(key), message, f"{_spaces(level)}, as the keys beside it"
            )


def _levels(lines: list[str], number: int) -> dict[int, str | None]:
    """The indentation of the keys that a line is within, deepest first, each with the last of its keys."""
    levels = {_depth(lines[number]): _key_of(lines[number])}
    for line in reversed(lines[:number]):
        if _has_text(line) and _depth(line) < min(levels):
            levels[_depth(line)] = _key_of(line)
    return levels


def _stand_together(one: str, other: str | None) -> bool:
    """Whether two keys can be in the same mapping. True when one of them is unknown, because it may be misspelt."""
    holders = [set(holder) for holder in _holders()]
    known = set().union(*holders)
    if other is None or one not in known or other not in known:
        return other is not None
    return any({one, other} <= holder for holder in holders)


def _at_the_top(key: str) -> bool:
    """Whether a key can be at the top level, as far as is known."""
    tops = {name for kind in _KINDS for name in load_schema(kind)["properties"]}
    return key in tops or not any(key in holder for holder in _holders())


def _holders() -> Iterator[Iterable[str]]:
    """The keys of each mapping, of both kinds of file."""
    for kind in _KINDS:
        schema = load_schema(kind)
        yield schema["properties"]
        yield from (child["properties"] for _, child in properties(schema) if "properties" in child)


def _has_text(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _key_of(line: str) -> str | None:
    found = re.match(rf"\s*({_KEY}):(?:\s|$)", line)
    return found[1] if found else None


def _spaces(count: int) -> str:
    return counted(count, "space")


def _named(key: str) -> Iterator[Schema]:
    """The keys of this name, of both kinds of file."""
    for kind in _KINDS:
        yield from (child for path, child in properties(load_schema(kind)) if path[-1] == key)


def _children(key: str) -> set[str]:
    return {name for child in _named(key) for name in child.get("properties", {})}


def _short(key: str) -> str | None:
    """How the value of a key's short form is written in full."""
    return next((f"{child['x-short']}: …" for child in _named(key) if "x-short" in child), None)
