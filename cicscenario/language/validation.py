"""Validates a document against its JSON schema. Errors are described in words and have the place in the file."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jsonschema import FormatChecker, ValidationError

from cicscenario.language.descriptions import GROUPED, NO_VALUE, VALIDATOR, ErrorDescription
from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.formats import FORMATS, SECRET
from cicscenario.language.misplaced import Misplaced, grouped, told
from cicscenario.language.nodes import Mapping, Scalar, plain, scalar_at
from cicscenario.language.schema import Path, Schema, properties
from cicscenario.language.secret import is_reference
from cicscenario.language.template import has_expression


@dataclass(frozen=True)
class Findings:
    """The errors of a document, each with its path; and the paths of all values that are missing, misplaced or invalid."""

    problems: list[tuple[Path, Diagnostic]]
    wrong: set[Path]


def validate(schema: Schema, document: Mapping, *, env: bool) -> Findings:
    """Every error, in the order of the schema. ``env`` is whether secrets may be `env.NAME`.

    A mistake is told once: what follows from a misplaced or misspelt key, such as that it is missing elsewhere, is left out.
    """
    checker = _checker(env=env)
    errors = list(VALIDATOR(schema, format_checker=checker).iter_errors(plain(document)))
    errors += _written_otherwise(schema, document)
    errors += _grouped_by_dots(schema, document)
    wrong_kinds = {tuple(error.absolute_path)[:-1] for error in errors if _is_wrong_kind(error)}
    wrong_types = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    found: list[tuple[Path, Diagnostic]] = []
    elsewhere: list[Misplaced] = []
    for error in errors:
        path = tuple(error.absolute_path)
        if path in wrong_types and error.validator != "type":
            continue  # what else a value of the wrong type is not says nothing more
        # The options of an unknown kind cannot be validated, so only the kind is reported.
        if _is_wrong_kind(error) or not any(path[: len(kind)] == kind for kind in wrong_kinds):
            found.extend(ErrorDescription(schema, document, error, checker, elsewhere, env=env).diagnostics())
    groups = grouped(elsewhere)
    found += [((*group[0].holder, group[0].name), told(schema, document, group)) for group in groups]
    wrong: set[Path] = {path for path, _ in found} | {one.home for one in elsewhere}
    wrong |= {
        path[:-1] for path, problem in found if _is_unknown(problem) and len(path) > 1
    }  # the other keys may be meant
    return Findings(list(dict.fromkeys(_causes(found, elsewhere))), wrong)


def _checker(*, env: bool) -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, known in FORMATS.items():
        checker.checks(name)(_for_text(known.test))
    checker.checks(SECRET)(_for_text(lambda text: is_reference(text, env=env)))
    return checker


def _causes(found: list[tuple[Path, Diagnostic]], elsewhere: list[Misplaced]) -> Iterator[tuple[Path, Diagnostic]]:
    """The errors without those that follow from a misplaced or misspelt key."""
    homes: set[Path] = {one.home for one in elsewhere}
    homes |= {home[:end] for home in homes for end in range(1, len(home))}
    homes |= {
        (*path[:-1], problem.suggestion) for path, problem in found if problem.suggestion and _is_unknown(problem)
    }
    misread = {path[:-1] for path, problem in found if problem.code in (Code.UNKNOWN_KEY, Code.SYNTAX)}
    for path, problem in found:
        follows = problem.code is Code.MISSING_KEY or (problem.code is Code.WRONG_TYPE and _is_nothing(problem))
        if not (follows and path in homes) and not (problem.code is Code.ONE_OF and path in misread):
            yield path, problem


def _is_unknown(problem: Diagnostic) -> bool:
    return problem.code is Code.UNKNOWN_KEY


def _is_nothing(problem: Diagnostic) -> bool:
    return problem.message.endswith(NO_VALUE)


def _written_otherwise(schema: Schema, document: Mapping) -> Iterator[ValidationError]:
    """An error for each constant that is right as a number, but not as it is written: there is no version 1.0."""
    for name, child in schema["properties"].items():
        node = document.entries[name].value if name in document.entries else None
        if "const" not in child or not isinstance(node, Scalar) or has_expression(node.written):
            continue
        if node.value == child["const"] and type(node.value) is int and node.written != str(child["const"]):
            yield ValidationError(
                "written otherwise", validator="const", path=[name], validator_value=child["const"], schema=child
            )


def _grouped_by_dots(schema: Schema, document: Mapping) -> Iterator[ValidationError]:
    """An error for each whole number such as 1.000, which YAML reads as 1."""
    for path, child in properties(schema):
        node = scalar_at(document, path)
        if child.get("type") == "integer" and node and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{3})+", node.written):
            yield ValidationError("grouped by dots", validator=GROUPED, path=path, instance=node.value, schema=child)


def _for_text(test: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or test(value)


def _is_wrong_kind(error: ValidationError) -> bool:
    return bool(error.absolute_path) and error.absolute_path[-1] == "kind" and error.validator in ("enum", "type")
