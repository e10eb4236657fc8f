"""Merges the layers of a document: the extended files, the file itself, and ``--set`` options. Later layers win."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from cicscenario.language.diagnostic import Code, Diagnostic, DiagnosticsError
from cicscenario.language.matrixlayers import settled
from cicscenario.language.nodes import KeyValue, Mapping, Node, Scalar, compose, plain
from cicscenario.language.nodes import Sequence as List
from cicscenario.language.source import Source, Span, read_source
from cicscenario.wording import counted

MAX_EXTENDS = 16

Normalise = Callable[[Mapping], Mapping]
Unfit = Callable[[Mapping], Diagnostic | None]

_OVERRIDE = re.compile(r"(?P<key>[^=\s.]+(?:\.[^=\s.]+)*)=(?P<value>.*)", re.DOTALL)


def assemble(
    path: Path, overrides: Sequence[str], normalise: Normalise, unfit: Unfit, problems: list[Diagnostic]
) -> Mapping:
    """The merged document. Errors after which loading can continue are added to ``problems``.

    ``normalise`` rewrites short forms in each layer before the merge, so that short and long forms can be merged. ``unfit``
    finds a file that is not of the kind of the others. Raises
    DiagnosticsError when the file itself cannot be read.
    """
    document = normalise(_read(path, problems))
    trail = [path.resolve()]
    while "extends" in document.entries:
        entry = document.entries["extends"]
        rest = Mapping(document.span, {key: value for key, value in document.entries.items() if key != "extends"})
        base = _base(entry.value, trail, unfit, problems)
        document = _layered(normalise(base), rest, problems) if base else rest
    for text in overrides:
        if layer := _override(text, problems):
            document = _layered(document, normalise(layer), problems)
    return document


def _layered(base: Mapping, over: Mapping, problems: list[Diagnostic]) -> Mapping:
    """``base`` with the nearer layer ``over``, which wins, also over the matrix of ``base``."""
    return merge(settled(base, over, problems), over)


def merge(base: Mapping, over: Mapping) -> Mapping:
    """``base`` updated with ``over``: mappings are merged, other values are replaced."""
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        below = entries[key].value if key in entries else None
        if isinstance(below, Mapping) and isinstance(entry.value, Mapping):
            entry = KeyValue(entry.key, merge(below, entry.value))
        entries[key] = entry
    return Mapping(over.span, entries)


def _read(path: Path, problems: list[Diagnostic], *, named_by_file: bool = False) -> Mapping:
    document = compose(read_source(path, named_by_file=named_by_file), problems)
    if not isinstance(document, Mapping):
        kind = "a single value" if isinstance(document, Scalar) else "a list"
        message = f"the file holds {kind}"
        raise DiagnosticsError([document.span.diagnostic(Code.NOT_A_MAPPING, message, expected="keys and values")])
    return document


def _base(node: Node, trail: list[Path], unfit: Unfit, problems: list[Diagnostic]) -> Mapping | None:
    """The document of the file that ``extends`` names; None, after adding an error, when it cannot be loaded."""
    try:
        path = _base_path(node, trail)
        trail.append(path.resolve())
        base = _read(path, problems, named_by_file=True)
        other = unfit(base)
        if other:
            message = (
                f"cannot extend {_from(node.span.source.folder, path)}: {other.message.replace('this is', 'it is', 1)}"
            )
            problems.append(node.span.diagnostic(Code.EXTENDS, message, expected=other.expected, key="extends"))
    except DiagnosticsError as error:
        first = error.diagnostics[0]
        if first.line:  # the error is inside the other file
            problems.extend(error.diagnostics)
        else:
            folder = node.span.source.folder
            message = f"cannot extend {_from(folder, first.file)}: {first.message}"
            guess = Path(first.suggestion) if first.suggestion else None
            suggestion = _from(folder, guess) if guess and guess.resolve() not in trail else None
            more = {"expected": first.expected, "suggestion": suggestion, "key": "extends"}
            problems.append(node.span.diagnostic(Code.EXTENDS, message, **more))
        return None
    return base if other is None else None


def _from(folder: Path, file: Path | str) -> str:
    """The path of a file as ``extends`` would name it."""
    return os.path.relpath(file, folder)


def _base_path(node: Node, trail: list[Path]) -> Path:
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or "\0" in node.value:
        one = plain(node)[0] if isinstance(node, List) and len(node.items) == 1 else None
        such = f", such as `extends: {one}`" if isinstance(one, str) else ""
        raise _extends_error(node.span, "`extends` takes one path", expected=f"a path relative to this file{such}")
    path = node.span.source.folder / node.value
    if path.resolve() in trail:
        raise _extends_error(node.span, f"{node.value} extends itself", expected="a file that does not extend this one")
    if len(trail) > MAX_EXTENDS:
        raise _extends_error(node.span, f"more than {counted(MAX_EXTENDS, 'file')} extend each other")
    return path


def _extends_error(span: Span, message: str, expected: str | None = None) -> DiagnosticsError:
    return DiagnosticsError([span.diagnostic(Code.EXTENDS, message, expected=expected, key="extends")])


def _override(text: str, problems: list[Diagnostic]) -> Mapping | None:
    """A ``--set`` option as a document with one value; None, after adding an error, when it is not KEY=VALUE."""
    source = Source("--set", text, Path.cwd())
    found = _OVERRIDE.fullmatch(text)
    if not found or found["key"] == "extends":
        message = "`extends` cannot be set by `--set`" if found else "not KEY=VALUE"
        span = Span(source, 0, 0, len(text))
        problems.append(span.diagnostic(Code.OVERRIDE, message, expected="such as population.size=50"))
        return None
    try:
        value: Node = Scalar(Span(source, 0, len(text)), None, "")
        if found["value"].strip():
            value = compose(source, problems, skip=found.start("value"))
    except DiagnosticsError as error:
        problems.extend(error.diagnostics)
        return None
    return _nested(source, found["key"], value)


def _nested(source: Source, key: str, value: Node) -> Mapping:
    end = len(key)
    names = key.split(".")
    for name in reversed(names):
        span = Span(source, 0, end - len(name), len(name))
        value = Mapping(span, {name: KeyValue(span, value)})
        end -= len(name) + 1
    assert isinstance(value, Mapping)
    return value
