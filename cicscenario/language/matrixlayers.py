"""A matrix in the layers of a document: its normal form, and what a nearer layer makes of it."""

from collections.abc import Iterator

from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.nodes import KeyValue, Mapping, Node, Sequence, plain
from cicscenario.language.schema import Schema
from cicscenario.language.shape import lengthen

MATRIX = "matrix"


def normal(schema: Schema, document: Mapping) -> Mapping:
    """The document with the long forms of values; in its matrix, keys within keys become dotted ones."""
    document = lengthen(schema, document)
    entry = document.entries.get(MATRIX)
    if entry is None or not isinstance(entry.value, Mapping):
        return document
    flat = {key: KeyValue(one.key, _long(schema, key, one)) for key, one in _flat(entry.value, "")}
    return Mapping(document.span, document.entries | {MATRIX: KeyValue(entry.key, Mapping(entry.value.span, flat))})


def _flat(node: Mapping, above: str) -> Iterator[tuple[str, KeyValue]]:
    for name, entry in node.entries.items():
        key = f"{above}.{name}" if above else name
        if isinstance(entry.value, Mapping):
            yield from _flat(entry.value, key)
        else:
            yield key, entry


def _long(schema: Schema, key: str, entry: KeyValue) -> Node:
    """The list of a key, with the long form of each value."""
    if not isinstance(entry.value, Sequence):
        return entry.value
    items = (Mapping(item.span, {key: KeyValue(entry.key, item)}) for item in entry.value.items)
    return Sequence(entry.value.span, tuple(lengthen(schema, item).entries[key].value for item in items))


def settled(base: Mapping, over: Mapping, problems: list[Diagnostic]) -> Mapping:
    """``base`` with a matrix that no longer varies the keys to which the nearer layer ``over`` gives a value.

    Such a key has this one value. If it is one of the list, it stays as it is there: a path is relative to that file.
    """
    entry = base.entries.get(MATRIX)
    if entry is None or not isinstance(entry.value, Mapping):
        return base
    axes = {key: KeyValue(one.key, _settled(key, one, over, problems)) for key, one in entry.value.entries.items()}
    return Mapping(base.span, base.entries | {MATRIX: KeyValue(entry.key, Mapping(entry.value.span, axes))})


def _settled(key: str, entry: KeyValue, over: Mapping, problems: list[Diagnostic]) -> Node:
    given = _at(over, tuple(key.split(".")))
    listed = entry.value
    if given is None or not isinstance(listed, Sequence):
        return listed
    same = [item for item in listed.items if plain(item) == plain(given) and type(item) is type(given)]
    if same:
        return Sequence(listed.span, (same[0],))
    if not isinstance(given, Mapping):
        return Sequence(given.span, (given,))
    replaced, varied = leaves(given), [leaves(item) for item in listed.items]
    touched = replaced & set().union(*varied)
    if not touched:
        return listed
    if all(leaves <= replaced for leaves in varied):
        return Sequence(given.span, (given,))
    inner = ".".join((key, *sorted(touched)[0]))
    problems.append(
        given.span.diagnostic(
            Code.CONTRADICTION,
            f"`{inner}` is set, and the matrix varies it within `{key}`",
            hint=f"give the whole value of `{key}`, or change the matrix",
            key=MATRIX,
        )
    )
    return listed


def _at(node: Node, path: tuple[str, ...]) -> Node | None:
    for name in path:
        if not isinstance(node, Mapping) or name not in node.entries:
            return None
        node = node.entries[name].value
    return node


def leaves(node: Node) -> set[tuple[str, ...]]:
    """The paths of the values in a node; a list is one value, and so is what is no mapping."""
    if not isinstance(node, Mapping):
        return {()}
    return {(name, *leaf) for name, entry in node.entries.items() for leaf in leaves(entry.value)}
