"""The two kinds of file, and how to tell them apart."""

import re
from collections.abc import Iterable, Iterator

from cicscenario.language.diagnostic import Code, Diagnostic, nearest, same_but_spelling
from cicscenario.language.nodes import Mapping
from cicscenario.language.schema import Schema, properties
from cicscenario.resources import load_schema

SCENARIO = "scenario-v1"
ENVIRONMENT = "environment-v1"


def is_scenario_schema(schema: Schema) -> bool:
    """Whether the schema is that of scenarios, perhaps with the vocabulary of other packages."""
    return str(schema.get("$id", "")).startswith(SCENARIO)


def other_schema(schema: Schema) -> Schema:
    """The schema of the other kind of file."""
    return load_schema(ENVIRONMENT if is_scenario_schema(schema) else SCENARIO)


def is_environment_document(document: Mapping) -> bool:
    """Whether a document has a key that only environments have, and none that only scenarios have."""
    where, what = _own(load_schema(ENVIRONMENT), load_schema(SCENARIO))
    return bool(document.entries.keys() & where) and not document.entries.keys() & what


def wrong_kind(schema: Schema, document: Mapping) -> Diagnostic | None:
    """The error for a file that is not of the kind of the schema; None when it may be, with or without mistakes."""
    other = other_schema(schema)
    own, others = _own(schema, other)
    keys = document.entries.keys()
    if "extends" in keys or any(same_but_spelling(key, own) for key in keys):
        return None
    if foreign := next((key for key in document.entries if key in others), None):
        scenario = is_scenario_schema(schema)
        found, wanted = ("an environment file", "a scenario") if scenario else ("a scenario", "an environment file")
        hint = (
            "name it in `environment:` of a scenario, or give it with --env"
            if scenario
            else "give the scenario to the command, and name the environment file with --env or in `environment:`"
        )
        message = f"this is {found}: only such a file has `{foreign}`"
        return document.entries[foreign].key.diagnostic(Code.OTHER_FILE, message, expected=wanted, hint=hint)
    known = all_names()
    telling = keys - OTHERS_KEYS
    if telling and not any(_known(key, known) for key in telling):
        first = next(iter(document.entries.values())).key
        return first.diagnostic(
            Code.OTHER_FILE,
            "this is neither a scenario nor an environment file: it has no key of either",
            expected=f"keys such as {', '.join(schema['required'])}",
            hint="`cicscenario new FILE` writes a scenario to begin with",
        )
    return None


_SIMILAR = 0.75  # a misspelt key, and not a word of another program
OTHERS_KEYS = frozenset({"version", "name", "description"})  #: keys that files of other programs have, too


def all_names() -> frozenset[str]:
    """The names of the keys at the top of either kind of file."""
    return frozenset(name for kind in (SCENARIO, ENVIRONMENT) for name in load_schema(kind)["properties"])


def _known(key: str, known: Iterable[str]) -> bool:
    first = re.split("[.:]", key)[0]
    return nearest(first, known, _SIMILAR) is not None or any(path[-1] == first for path in _paths())


def _paths() -> Iterator[tuple[str, ...]]:
    for kind in (SCENARIO, ENVIRONMENT):
        yield from (path for path, _ in properties(load_schema(kind)))


def _own(schema: Schema, other: Schema) -> tuple[set[str], set[str]]:
    """The top-level keys that only one kind has, and those that only the other has."""
    one, two = set(schema["properties"]), set(other["properties"])
    return one - two, two - one
