"""From a file to a model: assemble, expand, validate, fill in, build."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cicscenario.language import build
from cicscenario.language.diagnostic import Code, Diagnostic, DiagnosticsError
from cicscenario.language.expand import Expander
from cicscenario.language.layers import assemble
from cicscenario.language.model import Environment, Scenario
from cicscenario.language.nodes import Mapping, compose, plain
from cicscenario.language.rules import SCENARIO_RULES, Rule, contradictions
from cicscenario.language.schema import Path as KeyPath
from cicscenario.language.schema import effective, hide_misplaced, lengthen, secret_paths
from cicscenario.language.source import read_source
from cicscenario.language.validation import validate
from cicscenario.resources import load_schema

_WORKED_IN = ("extends", "vars")


def load_scenario(path: Path | str, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario in ``path`` with ``KEY=VALUE`` overrides; raises DiagnosticsError with every error of the file."""
    document, values = _load(Path(path), "scenario-v1", SCENARIO_RULES, overrides, env=False)
    return build.scenario(Path(path), document, values)


def load_environment(path: Path | str) -> Environment:
    """The environment in ``path``; raises DiagnosticsError with every error of the file. Secrets are not read yet."""
    document, values = _load(Path(path), "environment-v1", (), (), env=True)
    return build.environment(Path(path), document, values)


def load_document(path: Path | str, overrides: Sequence[str] = ()) -> tuple[Mapping, dict[str, Any]]:
    """A scenario or environment file as it is written, with the place of everything, and its effective values.

    The document has its expressions computed, and ``vars`` still in it. Raises DiagnosticsError with every error.
    """
    if is_environment(Path(path)):
        return _load(Path(path), "environment-v1", (), overrides, env=True)
    return _load(Path(path), "scenario-v1", SCENARIO_RULES, overrides, env=False)


def is_environment(path: Path) -> bool:
    """Whether the file says where, rather than what. False too for what cannot be read.

    It has keys that only an environment has, and none of a scenario's own: a scenario may have misspelt one so that it is
    the other's.
    """
    try:
        document = compose(read_source(path), [])
    except DiagnosticsError:
        return False
    where, what = (load_schema(name)["properties"].keys() for name in ("environment-v1", "scenario-v1"))
    given = document.entries.keys() if isinstance(document, Mapping) else set[str]()
    return bool(given & (where - what)) and not given & (what - where)


def _load(
    path: Path, name: str, rules: tuple[Rule, ...], overrides: Sequence[str], *, env: bool
) -> tuple[Mapping, dict[str, Any]]:
    """The document, expanded, and its effective values."""
    schema = load_schema(name)
    problems: list[Diagnostic] = []
    document = assemble(path, overrides, partial(lengthen, schema), problems)
    hide_misplaced(schema, document)
    expander = Expander(document, secret_paths(schema), env=env, problems=problems)
    document = expander.expand()
    # A value that could not be computed has had its error; that it is not what the schema wants follows from it.
    found = [(at, problem) for at, problem in validate(schema, document, env=env) if at not in expander.failed]
    if any(problem.code == Code.EXTENDS for problem in problems):  # what seems to be missing may be in that file
        found = [(at, problem) for at, problem in found if problem.code != Code.MISSING_KEY]
    problems.extend(problem for _, problem in found)
    values = effective(schema, plain(document))
    wrong: set[KeyPath] = {at for at, _ in found} | expander.failed
    problems.extend(contradictions(rules, document, values, wrong))
    if problems:
        raise DiagnosticsError(
            sorted(dict.fromkeys(problems), key=lambda p: (p.file != str(path), p.file, p.line, p.column))
        )
    return document, {key: value for key, value in values.items() if key not in _WORKED_IN}
