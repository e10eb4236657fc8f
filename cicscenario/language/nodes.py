"""Composes YAML into nodes that hold their place in the file.

Scalars are resolved by YAML 1.2's core schema, decimal numbers only. So ``no`` (Norwegian) and ``0x…`` (an address) are text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from cicscenario.language.diagnostic import Code, Diagnostic, DiagnosticsError
from cicscenario.language.invisible import Odd, blamed, cleaned, meant, named, odd_between, suspicious
from cicscenario.language.source import Source, Span

MAX_DEPTH = 32
_FREE = "description"  # the key of a text for people
MAX_NODES = 20_000  #: after aliases are expanded

Plain = str | int | float | bool | None

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml if it is installed: four times faster
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,2})?")
_CONSTANTS: dict[str, Plain] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True)
class Scalar:
    """A single value. ``written`` is its text in the file; errors show it instead of a value that came from `env`."""

    span: Span
    value: Plain
    written: str


@dataclass(frozen=True)
class Sequence:
    span: Span
    items: tuple["Node", ...]


@dataclass(frozen=True)
class KeyValue:
    """An entry of a mapping: its value, and the place of its key."""

    key: Span
    value: "Node"


@dataclass(frozen=True)
class Mapping:
    span: Span
    entries: dict[str, KeyValue]


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """Converts a node to plain data."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(entry.value) for key, entry in node.entries.items()}


def node_at(document: Node, path: tuple[str | int, ...]) -> Node:
    """The node at a path, which must exist in the document."""
    node = document
    for part in path:
        if isinstance(node, Mapping):
            node = node.entries[str(part)].value
        elif isinstance(node, Sequence):
            node = node.items[int(part)]
    return node


def scalar_at(document: Node, path: tuple[str, ...]) -> Scalar | None:
    """The single value at a path; None when there is none."""
    node = document
    for name in path:
        if not isinstance(node, Mapping) or name not in node.entries:
            return None
        node = node.entries[name].value
    return node if isinstance(node, Scalar) else None


def written_at(document: Node, path: tuple[str | int, ...], *, on_key: bool = False) -> Span:
    """The place of the value at a path, or of its key."""
    parent = node_at(document, path[:-1])
    if on_key and path and isinstance(parent, Mapping):
        return parent.entries[str(path[-1])].key
    span = node_at(document, path).span
    return span if path else Span(span.source, span.line, span.column)


def compose(source: Source, problems: list[Diagnostic], skip: int = 0) -> Node:
    """Parses the source, which must be one document. Ignores the first ``skip`` characters. Adds repeated keys to
    ``problems``.

    Raises DiagnosticsError with the first syntax error only, because the rest of the file cannot be parsed.
    """
    if breaks := list(_odd_breaks(source)):
        raise DiagnosticsError(breaks)
    found: list[Diagnostic] = []
    try:
        composer = _Composer(source, found, skip)
        document = composer.document()
    except yaml.reader.ReaderError as error:
        raise DiagnosticsError([_character_error(source, _ordinal(error.character))]) from None
    except UnicodeEncodeError as error:  # bytes of a command line that were not UTF-8
        raise DiagnosticsError([_character_error(source, ord(source.text[error.start]))]) from None
    except yaml.MarkedYAMLError as error:
        raise DiagnosticsError(_syntax_errors(source, error, skip)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = Span(source, 0, 0).diagnostic(Code.SYNTAX, f"cannot be read as YAML ({type(error).__name__})")
        raise DiagnosticsError([problem]) from None
    if composer.misread:  # so the rest of the file may be, too
        raise DiagnosticsError(found)
    problems += found
    return document


def _syntax_errors(source: Source, error: yaml.MarkedYAMLError, skip: int) -> list[Diagnostic]:
    """What to say about a syntax error: the mistake that is probably its cause, or else the error itself."""
    from cicscenario.language.mends import mended  # not at the top: most files have no such error

    found = blamed(source, _failing, skip=skip) or mended(source, _failing, skip=skip)
    return found or [_syntax_error(source, error)]


def _odd_breaks(source: Source) -> Iterator[Diagnostic]:
    """Line breaks that editors do not show as such."""
    if not source.text.isascii():
        at = 0
        for number, line in enumerate(source.lines[:-1]):
            at += len(line)
            character = source.text[at]
            at += 2 if source.text.startswith("\r\n", at) else 1
            if instead := meant(character):
                yield Odd(character, instead, number, len(line)).diagnostic(source, "this line")


def _failing(text: str) -> tuple[int, int] | None:
    """The place of the first syntax error in a text."""
    try:
        for _ in yaml.parse(text, Loader=_Loader):
            pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return (mark.line, mark.column) if mark else (0, 0)
    except (yaml.YAMLError, ValueError, RecursionError):
        return (0, 0)
    return None


def resolve(text: str) -> Plain:
    """The value of an unquoted scalar. Whole numbers become int in every notation, also ``1e15``."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > 80 or not _NUMBER.fullmatch(text):
        return text
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


def _ordinal(character: str | int) -> int:
    return character if isinstance(character, int) else ord(character)


def _character_error(source: Source, ordinal: int) -> Diagnostic:
    places = ((number, text.find(chr(ordinal))) for number, text in enumerate(source.lines))
    line, column = next((place for place in places if place[1] >= 0), (0, 0))
    return Span(source, line, column).diagnostic(
        Code.SYNTAX, f"a character that YAML does not allow: {named(chr(ordinal))}"
    )


def _syntax_error(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    span = Span(source, mark.line, mark.column) if mark else Span(source, 0, 0)
    if not any(text.strip() for text in source.lines[span.line :]):
        last = max((n for n, text in enumerate(source.lines) if text.strip()), default=0)
        span = Span(source, last, len(source.lines[last]))  # at the end of the line, because something is missing there
    line = source.lines[span.line]
    tab = line[: len(line) - len(line.lstrip())].find("\t")
    if tab >= 0:
        return Span(source, span.line, tab).diagnostic(Code.SYNTAX, "a tab in the indentation", expected="spaces")
    opened = error.context_mark
    if opened and "'-' indicator" in (error.problem or ""):
        dash = Span(source, opened.line, opened.column)
        return dash.diagnostic(Code.SYNTAX, "a dash begins a list here", expected="the keys without the dashes")
    hint = f"{error.context}, opened on line {opened.line + 1}" if opened and opened.line != span.line else None
    # libyaml has its own limits, which a single token may exceed before ours are tested.
    code = Code.UNSUPPORTED if "nesting" in (error.problem or "") else Code.SYNTAX
    return span.diagnostic(code, error.problem or error.context or "not YAML", hint=hint)


class _Composer:
    """Builds nodes from the parser's events. Limits the depth and the number of nodes."""

    def __init__(self, source: Source, problems: list[Diagnostic], skip: int) -> None:
        self._source = source
        self._problems = problems
        self._events: Iterator[Any] = yaml.parse(" " * skip + source.text[skip:], Loader=_Loader)
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._nodes = 0
        self._free = False  # within a text for people, in which any character may be
        self.misread = False  #: whether a character was found that is not the sign that it looks like

    def document(self) -> Node:
        next(self._events)  # stream start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            span = Span(self._source, 0, 0)
            raise DiagnosticsError([span.diagnostic(Code.NOT_A_MAPPING, "the file is empty")])
        node = self._node(next(self._events), 0)
        next(self._events)  # document end
        extra = next(self._events)
        if not isinstance(extra, yaml.StreamEndEvent):
            raise self._fail(
                extra, Code.NOT_A_MAPPING, "a second document begins here", expected="one document per file"
            )
        return node

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag is not None:
            hint = 'a variable of the shell is written "{{ env.NAME }}"' if "env" in event.tag.lower() else None
            such = "" if self._span(event).hidden else f" such as `{event.tag}`"
            message = f"tags{such} are not part of the language"
            raise self._fail(event, Code.UNSUPPORTED, message, hint=hint)
        if depth > MAX_DEPTH:
            raise self._fail(event, Code.UNSUPPORTED, f"nested more than {MAX_DEPTH} deep")
        before = self._nodes
        self._count(event, 1)
        node = self._collection(event, depth) if isinstance(event, yaml.CollectionStartEvent) else self._scalar(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._nodes - before)
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            named = "" if self._span(event).hidden else f" `&{event.anchor}`"
            hint = "a text that begins with `*` needs quotes"
            raise self._fail(event, Code.SYNTAX, f"there is no anchor{named} above", hint=hint)
        node, size = self._anchors[event.anchor]
        self._count(event, size)
        return node

    def _count(self, event: Any, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise self._fail(event, Code.UNSUPPORTED, f"more than {MAX_NODES:,} values, with aliases expanded")

    def _scalar(self, event: Any) -> Scalar:
        text = event.value if self._free else self._meant(event, key=False)
        return Scalar(self._span(event), resolve(text) if event.implicit[0] else text, text)

    def _meant(self, event: Any, *, key: bool) -> str:
        """The text of a key or value without odd characters that are an error there; adds the error."""
        text: str = event.value
        if text.isascii():
            return text
        span, end = self._span(event), (event.end_mark.line, event.end_mark.column)
        found = list(odd_between(self._source, span, end))
        plain: bool = event.implicit[0]
        instead = cleaned(text).strip()
        if not key:
            more = isinstance(resolve(text), str) and not isinstance(resolve(instead), str)
            found = suspicious(found, text, plain=plain, means_more=more)
        if not found:
            return text
        first = found[0]
        where = f"the {'key' if key else 'value'} `{instead:.40}`"
        if first.meant == " " and not self._source.lines[first.line][: first.column].strip():
            where, self.misread = "the indentation", True
        self.misread |= any(odd.structural for odd in found) or (key and ":" in instead)
        self._problems.append(first.diagnostic(self._source, where))
        return instead

    def _collection(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(item, depth + 1))
            return Sequence(self._span(event), tuple(items))
        return self._mapping(event, depth)

    def _mapping(self, event: Any, depth: int) -> Mapping:
        entries: dict[str, KeyValue] = {}
        merged: dict[str, KeyValue] = {}
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or key.tag is not None:
                raise self._fail(key, Code.UNSUPPORTED, "a key that is not text", hint=self._unquoted(key))
            name = self._meant(key, key=True)
            self._free = self._free or (depth == 0 and name == _FREE)
            value = self._node(next(self._events), depth + 1)
            self._free = self._free and depth > 0
            if name == "<<" and key.implicit[0]:
                merged = self._merged(key, value) | merged
            elif name in entries:
                first = entries[name].key.line + 1
                message = f"`{name}` is already on line {first}"
                self._problems.append(self._span(key).diagnostic(Code.DUPLICATE_KEY, message))
            else:
                entries[name] = KeyValue(self._span(key), value)
        return Mapping(self._span(event), merged | entries)

    def _unquoted(self, key: Any) -> str | None:
        """The hint for an expression without quotes: YAML parses its inner brace as a mapping that is a key."""
        line, start = self._source.lines[key.start_mark.line], key.start_mark.column
        if not line.startswith("{{", start - 1):
            return None
        end = line.find("}}", start)
        expression = line[start - 1 : end + 2] if end >= 0 else "{{ … }}"
        return f'put the expression in quotes: "{expression}"'

    def _merged(self, key: Any, value: Node) -> dict[str, KeyValue]:
        """The entries of a merge key (``<<``). If several mappings have a key, the first one wins."""
        mappings = value.items if isinstance(value, Sequence) else (value,)
        entries: dict[str, KeyValue] = {}
        for mapping in mappings:
            if not isinstance(mapping, Mapping):
                raise self._fail(key, Code.UNSUPPORTED, "`<<` takes a mapping or a list of mappings")
            entries = mapping.entries | entries
        return entries

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        length = end.column - start.column if end.line == start.line else len(self._source.text)
        return Span(self._source, start.line, start.column, length)

    def _fail(self, event: Any, code: Code, message: str, **more: Any) -> DiagnosticsError:
        return DiagnosticsError([self._span(event).diagnostic(code, message, **more)])
