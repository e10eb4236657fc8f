"""Loads a file into a model: merge layers, expand expressions, validate, add defaults, build."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from cicscenario.language import build
from cicscenario.language.chainfees import contradictory_fees
from cicscenario.language.combination import Combination, SeveralRunsError
from cicscenario.language.diagnostic import Code, Diagnostic, DiagnosticsError
from cicscenario.language.expand import Expander
from cicscenario.language.invisible import all_explained
from cicscenario.language.kinds import is_environment_document, wrong_kind
from cicscenario.language.layers import assemble, merge
from cicscenario.language.literals import misused
from cicscenario.language.matrix import Case, cases
from cicscenario.language.matrixlayers import MATRIX, normal
from cicscenario.language.matrixproblems import told_once
from cicscenario.language.model import Environment, Scenario
from cicscenario.language.nodes import Mapping, compose, plain
from cicscenario.language.permission import unpermitted
from cicscenario.language.profiles import PAYERS, PEOPLE, leave_to_profile, named_profile
from cicscenario.language.references import missing_files
from cicscenario.language.rules import contradictions
from cicscenario.language.schema import Path as KeyPath
from cicscenario.language.schema import Schema, effective, repaired, secret_paths
from cicscenario.language.shape import hide_misplaced, lengthen, unknown_paths
from cicscenario.language.source import read_source
from cicscenario.language.validation import validate
from cicscenario.language.vocabulary import Vocabulary
from cicscenario.resources import load_schema

_LOADER_KEYS = ("extends", "vars", MATRIX)


class Loaded(NamedTuple):
    """A scenario: its document, with the place of each value; its effective values; and the model.

    Expressions in the document are expanded; ``vars`` are still in it.
    """

    document: Mapping
    values: dict[str, Any]
    scenario: Scenario


def load_documents(
    path: Path | str, overrides: Sequence[str], vocabulary: Vocabulary, *, files: bool = False
) -> list[Loaded]:
    """The scenario in ``path`` with ``KEY=VALUE`` overrides, once for each combination of its matrix; without one, once.

    ``files`` is whether files and folders that it names and that are not there are errors, too. Raises DiagnosticsError with
    every error of the file, each once.
    """
    path, schema = Path(path), vocabulary.schema
    problems: list[Diagnostic] = []
    document = assemble(path, overrides, partial(normal, schema), partial(wrong_kind, schema), problems)
    if MATRIX not in document.entries or wrong_kind(schema, document):
        loaded = _load_case(path, document, vocabulary, None, problems, files=files)
        _raise(path, problems)
        return [loaded]
    every = cases(schema, document, problems)
    base = Mapping(document.span, {key: entry for key, entry in document.entries.items() if key != MATRIX})
    found: list[tuple[Case, list[Diagnostic]]] = []
    results = []
    for case in every:
        found.append((case, []))
        results.append(
            _load_case(path, merge(base, case.layer()), vocabulary, case.combination, found[-1][1], files=files)
        )
    wrong = [problem for problem in told_once(found) if not (problems and problem.code is Code.MISSING_KEY)]
    _raise(path, [*problems, *wrong])
    return results


def load_document(path: Path | str, overrides: Sequence[str], vocabulary: Vocabulary, *, files: bool = False) -> Loaded:
    """The one scenario in ``path``; as ``load_documents``. Raises SeveralRunsError when its matrix has several combinations."""
    found = load_documents(path, overrides, vocabulary, files=files)
    if len(found) > 1:
        raise SeveralRunsError(str(path), [one.scenario.combination for one in found if one.scenario.combination])
    return found[0]


def load_scenario(
    path: Path | str, overrides: Sequence[str], vocabulary: Vocabulary, *, files: bool = False
) -> Scenario:
    """The scenario in ``path``; as ``load_document``."""
    return load_document(path, overrides, vocabulary, files=files).scenario


def load_environment(path: Path | str) -> Environment:
    """The environment in ``path``; raises DiagnosticsError with every error of the file. Secrets are not read yet."""
    document, values = _load_environment(Path(path), ())
    return build.environment(Path(path), document, values)


def load_environment_document(path: Path | str, overrides: Sequence[str]) -> tuple[Mapping, dict[str, Any]]:
    """The document of an environment file, with the place of each value; and its effective values."""
    return _load_environment(Path(path), overrides)


def is_environment(path: Path) -> bool:
    """Whether the file is an environment file. False when it cannot be read.

    It must have a key that only environments have, and no key that only scenarios have, because a misspelt key of a
    scenario may be a key of environments.
    """
    try:
        document = compose(read_source(path), [])
    except DiagnosticsError:
        return False
    return isinstance(document, Mapping) and is_environment_document(document)


def _load_case(
    path: Path,
    document: Mapping,
    vocabulary: Vocabulary,
    combination: Combination | None,
    problems: list[Diagnostic],
    *,
    files: bool,
) -> Loaded:
    """One merged document as a scenario. Its errors are added to ``problems``; if there are any, the result is of no use."""
    schema = vocabulary.schema
    document, wrong = _read(schema, document, problems, env=False)
    if files:
        problems.extend(missing_files(document))
    values = effective(schema, plain(document))
    profile = named_profile(document, PEOPLE, problems)
    payers = named_profile(document, PAYERS, problems)
    if profile:
        leave_to_profile(profile, document, values)
    if combination:
        _give_seed(values, combination)
    # Invalid values are replaced before the rules are applied, so that all errors of a file are reported at once.
    readable = _effective_values(repaired(schema, values, wrong))
    scenario = build.scenario(path, document, readable, schema, vocabulary.backends, profile, payers)
    problems.extend(contradictions(vocabulary, document, scenario, wrong))
    return Loaded(document, _effective_values(values), replace(scenario, combination=combination))


def _give_seed(values: dict[str, Any], combination: Combination) -> None:
    """Gives the people of a combination their own seed, unless they exist already."""
    population = values.get("population")
    if isinstance(population, dict) and type(population.get("seed")) is int and not population.get("from"):
        population["seed"] = combination.seed(population["seed"])


def _load_environment(path: Path, overrides: Sequence[str]) -> tuple[Mapping, dict[str, Any]]:
    schema = load_schema("environment-v1")
    problems: list[Diagnostic] = []
    document = assemble(path, overrides, partial(lengthen, schema), partial(wrong_kind, schema), problems)
    document, _ = _read(schema, document, problems, env=True)
    values = effective(schema, plain(document))
    problems.extend(unpermitted(document, values))
    problems.extend(contradictory_fees(document, values))
    _raise(path, problems)
    return document, _effective_values(values)


def _read(schema: Schema, document: Mapping, problems: list[Diagnostic], *, env: bool) -> tuple[Mapping, set[KeyPath]]:
    """The expanded document, and the paths of missing and invalid values. Its errors are added to ``problems``."""
    if problem := wrong_kind(schema, document):
        raise DiagnosticsError([problem])
    hide_misplaced(schema, document)
    secrets = secret_paths(schema)
    literal = list(misused(document, secrets, env=env))
    problems.extend(problem for _, problem in literal)
    expander = Expander(document, {*secrets, *unknown_paths(schema, document)}, env=env, problems=problems)
    document = expander.expand()
    findings = validate(schema, document, env=env)
    # A value that was reported already has no other errors.
    told = expander.failed | {at for at, _ in literal}
    found = [(at, problem) for at, problem in findings.problems if at not in told]
    wrong: set[KeyPath] = findings.wrong | told
    if any(problem.code == Code.EXTENDS for problem in problems):  # missing keys may be in that file
        found = [(at, problem) for at, problem in found if problem.code != Code.MISSING_KEY]
    problems.extend(problem for _, problem in found)
    return document, wrong


def _raise(path: Path, problems: list[Diagnostic]) -> None:
    if problems:
        raise DiagnosticsError(
            sorted(all_explained(problems), key=lambda p: (p.file != str(path), p.file, p.line, p.column))
        )


def _effective_values(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _LOADER_KEYS}
