"""Keys that the language has, but not where they are written: the place where they belong."""

from collections.abc import Iterator
from dataclasses import dataclass

from cicscenario.language.diagnostic import Code, Diagnostic, nearest, same_but_spelling
from cicscenario.language.formats import SECRET
from cicscenario.language.kinds import is_scenario_schema, other_schema
from cicscenario.language.nodes import KeyValue, Mapping, Node, Scalar, Sequence
from cicscenario.language.redaction import redact
from cicscenario.language.remedies import flow
from cicscenario.language.schema import Path, Schema, properties

Keys = tuple[str, ...]
_SHOWN = 40  # characters of a value in an example

_NODE_TYPES: dict[type, set[str]] = {Sequence: {"array"}, Mapping: {"object"}}


@dataclass(frozen=True)
class Misplaced:
    """A key at a place where it does not belong: ``holder`` is the path of its mapping, ``home`` where it belongs."""

    holder: Keys
    name: str  #: as it is written; may be dotted
    home: Keys
    entry: KeyValue

    @property
    def target(self) -> Keys:
        """The path of the mapping that it belongs in."""
        return self.home[:-1]


def misplaced(schema: Schema, document: Mapping, holder: Path, name: str, entry: KeyValue) -> Misplaced | None:
    """Where an unknown key belongs; None when it is not known, or when another name that fits here is more probable."""
    above = tuple(str(part) for part in holder)
    known = dict(properties(schema))
    dotted = tuple(name.split("."))
    for start in (above, ()):
        if len(dotted) > 1 and (*start, *dotted) in known:
            return Misplaced(above, name, (*start, *dotted), entry)
    beside = [path[-1] for path in known if path[:-1] == above]
    if same_but_spelling(name, beside):
        return None
    homes = [path for path, child in known.items() if path[-1] == name and _takes(child, entry.value)]
    homes = [home for home in homes if home[:-1] != above]
    if not homes:
        return None
    home = min(homes, key=lambda home: _distance(document, above, home))
    related = home[: len(above)] == above or above[: len(home) - 1] == home[:-1]
    if (not related and nearest(name, beside)) or (not related and len(homes) > 1):
        return None
    return Misplaced(above, name, home, entry)


def _takes(child: Schema, value: Node) -> bool:
    """Whether a key may have a value of this type."""
    kinds = child.get("type", ())
    wanted = {kinds} if isinstance(kinds, str) else set(kinds)
    if isinstance(value, Scalar):
        return value.value is None or bool(wanted - {"array", "object"}) or "x-short" in child
    return bool(wanted & _NODE_TYPES[type(value)])


def _distance(document: Mapping, above: Keys, home: Keys) -> tuple[int, int]:
    """How far a place is: first mappings without a value, then those within this one, then those around it, then others."""
    target = home[:-1]
    deeper, around = target[: len(above)] == above, above[: len(target)] == target
    rank = 1 if deeper else 2 if around else 3
    return (0 if _is_empty(document, target) else rank, abs(len(target) - len(above)))


def _is_empty(document: Mapping, path: Keys) -> bool:
    """Whether a key is written without a value."""
    node: Node = document
    for part in path:
        if not isinstance(node, Mapping) or part not in node.entries:
            return False
        node = node.entries[part].value
    return isinstance(node, Scalar) and node.value is None


def told(schema: Schema, document: Mapping, group: list[Misplaced]) -> Diagnostic:
    """One error for keys that stand together and belong in the same mapping."""
    first = group[0]
    names = " and ".join(f"`{one.home[-1]}`" for one in group)
    verb = "belongs" if len(group) == 1 else "belong"
    target, here = ".".join(first.target), ".".join(first.holder)
    where = f"in `{target}`" if target else "at the top level"
    more = {"key": ".".join(first.home), "expected": _remedy(schema, document, first, names)}
    message = f"{names} {verb} {where}" + (f", not in `{here}`" if here and not _is_deeper(first) else "")
    return first.entry.key.diagnostic(Code.UNKNOWN_KEY, message, **more)


def _is_deeper(one: Misplaced) -> bool:
    return one.target[: len(one.holder)] == one.holder


def _remedy(schema: Schema, document: Mapping, one: Misplaced, names: str) -> str:
    if _is_empty(document, one.target):
        return f"{names} below `{one.target[-1]}`: indent by two spaces more than it"
    if not one.target:
        return f"{names} at the start of a line, not in `{'.'.join(one.holder)}`"
    if not _is_deeper(one):
        return f"{names} in the mapping `{'.'.join(one.target)}`, not in `{'.'.join(one.holder)}`"
    text = f"{one.home[-1]}: {_value(schema, one)}".rstrip(": ")
    for name in reversed(one.target[len(one.holder) :]):
        text = f"{name}: {{{text}}}"
    return f"`{text}`, or the key on a line below `{one.target[-1]}:`, indented by two spaces more than it"


def _value(schema: Schema, one: Misplaced) -> str:
    child = schema
    for name in one.home:
        child = child["properties"][name]
    node = one.entry.value
    if child.get("format") == SECRET or not isinstance(node, Scalar) or not one.entry.key.source.quoted:
        return "…"
    text = flow(node.value)
    return text if len(text) <= _SHOWN and redact(f"{one.home[-1]}: {text}").endswith(text) else "…"


def of_the_other_kind(schema: Schema, holder: Path, name: str, entry: KeyValue) -> Diagnostic | None:
    """The error for a key that only the other kind of file has."""
    if holder:
        return None
    home = next(
        (path for path, child in properties(other_schema(schema)) if path[-1] == name and _takes(child, entry.value)),
        None,
    )
    if home is None:
        return None
    scenario = is_scenario_schema(schema)
    whose = "environment files" if scenario else "scenarios"
    as_key = f" (as `{'.'.join(home)}`)" if len(home) > 1 else ""
    place = "an environment file, which `environment:` of the scenario names" if scenario else "the scenario"
    expected = f"`{name}` in {place}{as_key}"
    return entry.key.diagnostic(Code.UNKNOWN_KEY, f"`{name}` is a key of {whose}", expected=expected)


def grouped(found: list[Misplaced]) -> Iterator[list[Misplaced]]:
    """Keys that stand together in one mapping and belong in another one."""
    group: list[Misplaced] = []
    for one in found:
        if group and (one.holder, one.target) != (group[0].holder, group[0].target):
            yield group
            group = []
        group.append(one)
    if group:
        yield group
