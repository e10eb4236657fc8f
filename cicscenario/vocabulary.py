"""The scenario language with every name that is known: those of the package itself, and those of installed packages.

``python -m cicscenario.vocabulary schemas/scenario-v1.json`` writes the schema, which editors read there.
"""

import json
import sys
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from cicscenario import language
from cicscenario.backends import all_backends
from cicscenario.checks import all_checks
from cicscenario.files import FOR_ALL, write_whole
from cicscenario.language import Scenario, Vocabulary
from cicscenario.language.load import load_documents
from cicscenario.language.provenance import Setting
from cicscenario.language.provenance import settings as settings_of
from cicscenario.metadata import all_kinds
from cicscenario.resources import load_schema
from cicscenario.steps import all_steps


@cache
def vocabulary() -> Vocabulary:
    """Made once in a process. Raises InvalidError when a package from outside brings something unfit."""
    return Vocabulary(
        schema=_schema(),
        backends={backend.kind: backend for backend in all_backends()},
        checks={check.name: check.conditions for check in all_checks()},
        rules=tuple(rule for backend in all_backends() for rule in backend.rules),
        steps={step.name: step.part for step in all_steps()},
    )


def scenario_schema() -> dict[str, Any]:
    """The JSON schema of scenarios. Shared: do not change it."""
    return vocabulary().schema


def schema_text() -> str:
    """The schema as the file that is shipped."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


def load_scenario(path: Path | str, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario in ``path`` with ``KEY=VALUE`` overrides; raises DiagnosticsError with every error of the file.

    Raises SeveralRunsError when its matrix has several combinations.
    """
    return language.load_scenario(path, overrides, vocabulary())


def load_scenarios(path: Path | str, overrides: Sequence[str] = ()) -> list[Scenario]:
    """The scenario in ``path``, once for each combination of its matrix; without one, once. Raises DiagnosticsError."""
    return [loaded.scenario for loaded in load_documents(path, overrides, vocabulary())]


def check_scenario(path: Path | str, overrides: Sequence[str] = ()) -> Scenario:
    """As ``load_scenario``, and files and folders that the scenario names and that are not there are errors, too."""
    return language.load_scenario(path, overrides, vocabulary(), files=True)


def settings(path: Path, overrides: Sequence[str] = ()) -> list[Setting]:
    """Every effective value of a scenario or environment file; see ``language.provenance``."""
    return settings_of(path, overrides, vocabulary())


def _schema() -> dict[str, Any]:
    """The shipped schema with the names, and the options of backends, that are declared."""
    schema = deepcopy(load_schema("scenario-v1"))
    known = schema["properties"]
    kinds = [backend.kind for backend in all_backends()]
    backend = known["backend"]
    options = {name: child for one in all_backends() for name, child in one.options.items()}
    backend["properties"] = {"kind": backend["properties"]["kind"]} | options
    backend["properties"]["kind"]["enum"] = backend["then"]["enum"] = kinds
    backend["properties"]["kind"]["description"] = " ".join(f"`{one.kind}`: {one.summary}." for one in all_backends())
    known["metadata"]["items"]["enum"] = [kind.name for kind in all_kinds()]
    known["steps"]["propertyNames"]["enum"] = [step.name for step in all_steps()]
    for name in ("include", "exclude"):
        known["checks"]["properties"][name]["items"]["enum"] = [check.name for check in all_checks()]
    return schema


if __name__ == "__main__":
    write_whole(Path(sys.argv[1]), schema_text(), mode=FOR_ALL)
