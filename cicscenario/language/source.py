"""YAML in, a tree of nodes out, each of which knows where it was written.

A strict subset: one document, plain data, each key once, no tags. Words such as ``no`` and ``on`` stay words, as in
YAML 1.2 (``no`` is a Norwegian locale here, not a boolean).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from cicscenario.language.diagnostic import Diagnostic, DiagnosticsError, Span, nearest

_MOST_BYTES = 1_000_000
_MOST_NODES = 100_000
_DEEPEST = 50

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Node:
    """A value with its place; ``keys`` has the places of a mapping's keys."""

    value: "Scalar | list[Node] | dict[str, Node]"
    span: Span
    keys: dict[str, Span] = field(default_factory=dict)

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def find(self, path: list[str | int]) -> "Node":
        """The node at ``path``, or the last one on the way that exists."""
        node = self
        for part in path:
            if isinstance(node.value, dict) and part in node.value:
                node = node.value[str(part)]
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
            else:
                break
        return node


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """libyaml where there is one."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?([0-9]*\.[0-9]+|[0-9]+\.?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def read(path: Path) -> Node:
    """The file as nodes; raises DiagnosticsError when it is not a mapping in the strict subset."""
    return parse(_text(path), str(path))


def _text(path: Path) -> str:
    problem = None
    raw = b""
    try:
        if path.is_dir():
            problem = "it is a folder"
        elif not path.exists():
            return _missing(path)
        elif not path.is_file():
            problem = "it is not a regular file"
        elif path.stat().st_size > _MOST_BYTES:
            problem = f"it has {path.stat().st_size:,} bytes; the most is {_MOST_BYTES:,}"
        else:
            raw = path.read_bytes()
    except OSError as error:
        problem = error.strerror or str(error)
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        problem = "it begins with a byte order mark; save it as UTF-8 without one"
    elif b"\0" in raw:
        problem = "it is binary: it has a NUL byte"
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = problem or f"it is not UTF-8 text (byte {error.start})"
        text = ""
    if problem:
        raise DiagnosticsError([Diagnostic("S001", f"cannot read {path}: {problem}", None)])
    return text


def _missing(path: Path) -> str:
    try:
        beside = [p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml")]
    except OSError:
        beside = []
    hint = nearest(path.name, beside)
    raise DiagnosticsError(
        [Diagnostic("S001", f"cannot read {path}: there is no such file", None, notes=(hint,) if hint else ())]
    )


def parse(text: str, name: str) -> Node:
    """``text`` as nodes; ``name`` is what messages call the file."""
    reader = _Reader(text, name)
    try:
        reader.refuse_what_could_explode()
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise reader.syntax_error(error) from None
    except yaml.YAMLError as error:
        raise DiagnosticsError([Diagnostic("S001", f"{name} is not YAML: {error}", None)]) from None
    if not isinstance(root, yaml.MappingNode):
        what = "is empty" if root is None else "is not a mapping at its top"
        raise DiagnosticsError([Diagnostic("S001", f"{name} {what}; expected keys such as `version: 1`", None)])
    node = reader.convert(root)
    if reader.problems:
        raise DiagnosticsError(reader.problems)
    return node


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self._lines = text.splitlines() or [""]
        self._text = text
        self._name = name
        self._nodes = 0
        self.problems: list[Diagnostic] = []

    def span(self, start: Any, end: Any) -> Span:
        line = self._lines[start.line] if start.line < len(self._lines) else ""
        last = end.column if end.line == start.line else len(line)
        return Span(self._name, start.line + 1, start.column + 1, max(1, last - start.column), line)

    def refuse_what_could_explode(self) -> None:
        """Walks the flat event stream, which cannot recurse, before anything builds a tree."""
        depth = documents = 0
        for event in yaml.parse(self._text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _DEEPEST:
                    raise self._error(event, f"nested deeper than {_DEEPEST} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event, "a second document begins here; one file is one document")
            elif isinstance(event, yaml.AliasEvent):
                raise self._error(event, "aliases are not part of the language; use `vars` or `extends`")
            if getattr(event, "tag", None) and not isinstance(event, yaml.AliasEvent):
                self._refuse_tag(event)

    def _refuse_tag(self, event: Any) -> None:
        if not (isinstance(event, yaml.ScalarEvent) and event.tag == "!"):
            raise self._error(event, f"the tag {event.tag} is not part of the language; write plain values")

    def _error(self, event: Any, message: str) -> DiagnosticsError:
        return DiagnosticsError([Diagnostic("S001", message, self.span(event.start_mark, event.end_mark))])

    def syntax_error(self, error: yaml.MarkedYAMLError) -> DiagnosticsError:
        mark = error.problem_mark or error.context_mark
        message = f"not YAML: {error.problem or error.context}"
        if mark is None:
            return DiagnosticsError([Diagnostic("S001", message, None)])
        span = self.span(mark, mark)
        notes = ("indent with spaces; YAML does not take tabs",) if "\t" in span.text else ()
        return DiagnosticsError([Diagnostic("S001", message, span, notes=notes)])

    def convert(self, node: yaml.Node) -> Node:
        self._nodes += 1
        span = self.span(node.start_mark, node.end_mark)
        if self._nodes > _MOST_NODES:
            raise DiagnosticsError([Diagnostic("S001", f"more than {_MOST_NODES:,} values", span)])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, span)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.convert(item) for item in node.value], span)
        return Node(_scalar(cast("yaml.ScalarNode", node)), span)

    def _mapping(self, node: yaml.MappingNode, span: Span) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Span] = {}
        for key, value in node.value:
            place = self.span(key.start_mark, key.end_mark)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(Diagnostic("S005", "a key must be a word", place))
                continue
            if key.value in values:
                first = keys[key.value]
                self.problems.append(
                    Diagnostic("S002", f"key `{key.value}` stands twice", place, f"first on line {first.line}")
                )
            values[key.value], keys[key.value] = self.convert(value), place
        return Node(values, span, keys)


def _scalar(node: yaml.ScalarNode) -> Scalar:
    text: str = node.value
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    try:
        if kind == "int":
            return int(text, 16 if text.startswith("0x") else 10)
        if kind == "float":
            return float(text)
    except ValueError:  # more digits than Python takes
        return text
    return text


def scalars(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Every scalar below ``node`` with its path."""
    if isinstance(node.value, dict):
        for key, inner in node.value.items():
            yield from scalars(inner, (*path, key))
    elif isinstance(node.value, list):
        for number, inner in enumerate(node.value):
            yield from scalars(inner, (*path, number))
    else:
        yield path, node
