"""Finds the errors of a document that is not valid by its JSON schema, and tells each mistake once."""

from collections.abc import Callable, Iterator, Sequence

from jsonschema import FormatChecker, ValidationError

from cicscenario.language.conforming import Formats
from cicscenario.language.descriptions import NO_VALUE, VALIDATOR, ErrorDescription
from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.misplaced import Misplaced, grouped, told
from cicscenario.language.nodes import Mapping, plain
from cicscenario.language.oddnumbers import OddNumber
from cicscenario.language.schema import Path, Schema


def violations(
    schema: Schema, document: Mapping, odd: Sequence[OddNumber], formats: Formats, *, env: bool
) -> tuple[list[tuple[Path, Diagnostic]], set[Path]]:
    """Every error with its path, in the order of the schema, and then the numbers that are written in an odd way.

    And the paths of all values that are missing, misplaced or invalid.
    """
    checker = _checker(formats)
    errors = list(VALIDATOR(schema, format_checker=checker).iter_errors(plain(document)))
    errors += map(_error, odd)
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
    return list(dict.fromkeys(_causes(found, elsewhere))), wrong


def _checker(formats: Formats) -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, test in formats.items():
        checker.checks(name)(_for_text(test))
    return checker


def _error(number: OddNumber) -> ValidationError:
    return ValidationError(
        "written in an odd way",
        validator=number.validator,
        path=number.path,
        instance=number.value,
        validator_value=number.schema.get(number.validator),
        schema=number.schema,
    )


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


def _for_text(test: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or test(value)


def _is_wrong_kind(error: ValidationError) -> bool:
    return bool(error.absolute_path) and error.absolute_path[-1] == "kind" and error.validator in ("enum", "type")
