"""Lint: warnings about valid but probably wrong scenarios. ``cicscenario explain CODE`` explains each code."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from cicscenario.language.diagnostic import Code, Diagnostic, nearest
from cicscenario.language.expressions import ExpressionError, has_expression
from cicscenario.language.model import BackendTraits, Scenario
from cicscenario.language.nodes import Mapping, Node, Scalar, Sequence, node_at, written_at
from cicscenario.language.schema import Path as KeyPath
from cicscenario.language.source import Span
from cicscenario.language.vocabulary import Vocabulary

#: Keys, other than backend options, that have an effect with some backends only. They have defaults, so with another backend
#: they are no error; a file that sets them gets a warning.
_USED_BY: dict[tuple[str, ...], Callable[[BackendTraits], bool]] = {
    ("gas",): lambda backend: backend.sovereign,
    ("faucet",): lambda backend: backend.makes_accounts,
}
#: Keys of the generator, which have no effect for people who exist already.
_GENERATOR_KEYS = tuple(("population", name) for name in ("seed", "profile", "locales", "languages", "gender", "tags"))
#: Keys about people who exist already, which have no effect for people who are made from a seed.
_SOURCE_KEYS = (("population", "on_bad_row"), ("population", "columns"))

_INCLUDE: KeyPath = ("checks", "include")
_EXCLUDE: KeyPath = ("checks", "exclude")


def lint(
    path: Path, document: Mapping, values: dict[str, Any], scenario: Scenario, vocabulary: Vocabulary
) -> list[Diagnostic]:
    """The warnings about one valid scenario, in the order of the file.

    ``document``, ``values`` and ``scenario`` are the results of ``load_document``.
    """
    found = [*_unused_variables(path, document), *_no_seed(document, values), *_idle_gift(document, values)]
    found += _idle_keys(document, values, scenario.backend.traits, vocabulary)
    found += _idle_steps(document, scenario, vocabulary)
    found += _checks(document, values["checks"], vocabulary.applicable(scenario))
    return sorted(found, key=lambda problem: (problem.file != str(path), problem.file, problem.line, problem.column))


def same_names(scenarios: Iterable[tuple[Path, Mapping, str]]) -> Iterator[tuple[Path, Diagnostic]]:
    """A warning, with the scenario's path, for each scenario that has the name of an earlier one."""
    first: dict[str, Path] = {}
    for path, document, name in scenarios:
        if name in first:
            message = f"`{name}` is also the name of {first[name]}"
            span = written_at(document, ("name",))
            here = span.diagnostic(Code.SAME_NAME, message, key="name")
            # If the name comes from an extended file, the line is in that file, which is not the cause.
            yield path, here if here.file == str(path) else Diagnostic(Code.SAME_NAME, message, str(path), key="name")
        first.setdefault(name, path)


def _unused_variables(path: Path, document: Mapping) -> Iterator[Diagnostic]:
    """Unused variables of the file itself. Those of an extended file may be used by other scenarios."""
    entry = document.entries.get("vars")
    if not entry or not isinstance(entry.value, Mapping):
        return
    used = {name for text in _expressions(document) for name in _names(text)}
    for name, variable in entry.value.entries.items():
        if name not in used and variable.key.source.name == str(path):
            message = f"no expression uses the variable `{name}`"
            guess = nearest(name, used - set(entry.value.entries))
            yield variable.key.diagnostic(Code.UNUSED_VARIABLE, message, suggestion=guess)


def _expressions(node: Node) -> Iterator[str]:
    if isinstance(node, Scalar):
        if has_expression(node.written):
            yield node.written
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _expressions(item)
    else:
        for entry in node.entries.values():
            yield from _expressions(entry.value)


def _names(text: str) -> list[str]:
    from cicscenario.language.template import Template  # not at the top: most files have no expressions

    try:
        return Template(text).names
    except ExpressionError:
        return []


def _no_seed(document: Mapping, values: dict[str, Any]) -> Iterator[Diagnostic]:
    population = node_at(document, ("population",))
    if isinstance(population, Mapping) and population.entries.keys().isdisjoint(("seed", "from")):
        message = f"no seed is given, so the people are those of the default seed {values['population']['seed']}"
        span = written_at(document, ("population",), on_key=True)
        hint = f"add `seed: {values['population']['seed']}`, or another number"
        yield span.diagnostic(Code.NO_SEED, message, key="population.seed", hint=hint)


def _idle_gift(document: Mapping, values: dict[str, Any]) -> Iterator[Diagnostic]:
    gift = values["gift"]
    entry = document.entries.get("gift")
    paid = gift["threshold"] or values["population"].get("from")  # existing people may have gifts from their source
    if paid and gift["method"] != "none":
        return
    for name, written in entry.value.entries.items() if entry and isinstance(entry.value, Mapping) else ():
        if name == "threshold" or (name == "method" and gift["method"] == "none"):
            continue
        message = f"`gift.{name}` sets how gifts are paid, but no gifts are paid"
        yield written.key.diagnostic(Code.IDLE_GIFT, message, key=f"gift.{name}")


def _idle_keys(
    document: Mapping, values: dict[str, Any], backend: BackendTraits, vocabulary: Vocabulary
) -> Iterator[Diagnostic]:
    options = dict.fromkeys(option for traits in vocabulary.backends.values() for option in traits.options)
    idle = [path for path, is_meant in _USED_BY.items() if not is_meant(backend)]
    idle += [("backend", option) for option in options if option not in backend.options]
    for path in idle:
        if span := _key_at(document, path):
            key = ".".join(path)
            yield span.diagnostic(Code.IDLE_KEY, f"`{key}` has no effect with the backend {backend.kind}", key=key)
    exist = bool(values["population"].get("from"))
    for path in _idle_with_source(values) if exist else _SOURCE_KEYS:
        if span := _key_at(document, path):
            key = ".".join(path)
            whom = "people who exist already" if exist else "people who are made from a seed"
            yield span.diagnostic(Code.IDLE_KEY, f"`{key}` has no effect for {whom}", key=key)


def _idle_with_source(values: dict[str, Any]) -> list[tuple[str, ...]]:
    """The keys without effect for people who exist already: their gifts are from their source, too; some PINs from the seed."""
    keys = [path for path in _GENERATOR_KEYS if path[-1] != "seed" or not values["pins"]]
    return [*keys, *([("gift", "threshold")] if values["gift"]["threshold"] else [])]


def _idle_steps(document: Mapping, scenario: Scenario, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for name in scenario.deadlines:
        span = _key_at(document, ("steps", name))
        if span and name in vocabulary.steps and vocabulary.steps[name](scenario) is None:
            yield span.diagnostic(Code.IDLE_KEY, f"this scenario has no step `{name}`", key=f"steps.{name}")


def _key_at(document: Mapping, path: tuple[str, ...]) -> Span | None:
    """The place of a key in the document; None when it is not written."""
    node: Node = document
    for name in path[:-1]:
        entry = node.entries.get(name) if isinstance(node, Mapping) else None
        if entry is None:
            return None
        node = entry.value
    return node.entries[path[-1]].key if isinstance(node, Mapping) and path[-1] in node.entries else None


def _checks(document: Mapping, checks: dict[str, Any], applicable: list[str]) -> Iterator[Diagnostic]:
    include, exclude = checks["include"], checks["exclude"]
    for at, name in enumerate(include or ()):
        if name in exclude:
            message = f"the check `{name}` is both included and excluded"
            yield _at(document, (*_INCLUDE, at), Code.BOTH_WAYS, message)
    for at, name in enumerate(exclude):
        if name not in applicable:
            message = f"the excluded check `{name}` does not apply anyway"
            yield _at(document, (*_EXCLUDE, at), Code.IDLE_EXCLUSION, message)
    if not set(applicable if include is None else include) - set(exclude):
        span = document.entries["checks"].key if "checks" in document.entries else written_at(document, ())
        yield span.diagnostic(Code.NOTHING_CHECKED, "no check is left", key="checks")


def _at(document: Mapping, path: KeyPath, code: Code, message: str) -> Diagnostic:
    key = ".".join(part for part in path if isinstance(part, str))
    return written_at(document, path).diagnostic(code, message, key=key)
