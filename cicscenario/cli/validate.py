"""``cicscenario validate``: every error of every file, at once."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import DiagnosticsError, load_environment, load_scenario
from cicscenario.language.source import read


def validate(paths: Sequence[Path], overrides: Sequence[str], fmt: str) -> ExitCode:
    """Prints what is wrong with the files, or that nothing is; folders are searched for YAML files."""
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise InvalidError(f"no .yaml or .yml file in {', '.join(map(str, paths))}")
    found = [(file, _errors(file, overrides)) for file in files]
    if fmt == "json":
        print(json.dumps([asdict(d) for _, error in found if error for d in error.diagnostics], indent=2))
    else:
        for file, error in found:
            print(f"{error}\n" if error else f"{file}: valid")
    return ExitCode.INVALID if any(error for _, error in found) else ExitCode.OK


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
    else:
        yield from sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml") and p.is_file())


def _errors(file: Path, overrides: Sequence[str]) -> DiagnosticsError | None:
    try:
        if "chain" in read(file).keys:
            load_environment(file)
        else:
            load_scenario(file, overrides)
    except DiagnosticsError as error:
        return error
    return None
