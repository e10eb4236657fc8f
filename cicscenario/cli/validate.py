"""``cicscenario validate``: every error of every file, at once."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import DiagnosticsError, is_environment, load_environment, load_scenario

FORMATS = ("text", "json")


def validate(paths: Sequence[Path], overrides: Sequence[str], fmt: str) -> ExitCode:
    """Prints which files are valid (stdout) and what is wrong with the others (stderr; with ``json`` all on stdout).

    Folders are searched for YAML files. ``overrides`` are worked into scenarios. Raises InvalidError when there is
    nothing to validate.
    """
    if fmt not in FORMATS:
        raise InvalidError(f"unknown format: {fmt}", hint=f"choose {' or '.join(FORMATS)}")
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise InvalidError(
            f"no .yaml or .yml file in {', '.join(map(str, paths))}", hint="name a file, or another folder"
        )
    results = [(file, _error(file, overrides)) for file in files]
    if fmt == "json":
        print(json.dumps([_entry(file, error) for file, error in results], indent=2, ensure_ascii=False))
    else:
        for file, error in results:
            print(f"{error}\n" if error else f"{file}: valid", file=sys.stderr if error else sys.stdout)
    return ExitCode.INVALID if any(error for _, error in results) else ExitCode.OK


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml") and file.is_file())
    else:
        yield path


def _error(file: Path, overrides: Sequence[str]) -> DiagnosticsError | None:
    try:
        if is_environment(file):
            load_environment(file)
        else:
            load_scenario(file, overrides)
    except DiagnosticsError as error:
        return error
    return None


def _entry(file: Path, error: DiagnosticsError | None) -> dict[str, object]:
    diagnostics = [asdict(diagnostic) for diagnostic in error.diagnostics] if error else []
    return {"file": str(file), "valid": error is None, "diagnostics": diagnostics}
