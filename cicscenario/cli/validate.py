"""``cicscenario validate``: shows all errors and warnings of scenario and environment files."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import DiagnosticsError, is_environment, load_environment
from cicscenario.language.diagnostic import Diagnostic
from cicscenario.language.lint import lint, same_names
from cicscenario.language.load import load_document
from cicscenario.language.nodes import Mapping
from cicscenario.language.source import YAML
from cicscenario.printable import one_line, say
from cicscenario.review import findings
from cicscenario.review.findings import FileResult
from cicscenario.vocabulary import vocabulary

FORMATS = ("text", *findings.FORMATS)


@dataclass
class _File:
    path: Path
    problems: list[Diagnostic]
    named: tuple[Path, Mapping, str] | None = None  #: of a valid scenario


def validate(paths: Sequence[Path], overrides: Sequence[str], fmt: str, *, strict: bool = False) -> ExitCode:
    """Prints valid files to stdout and the errors of the others to stderr (formats other than text: all to stdout).

    Folders are searched for YAML files. ``overrides`` apply to scenarios. Warnings are always shown, but change the exit
    code only when ``strict``. Raises InvalidError when there is no file to validate.
    """
    if fmt not in FORMATS:
        raise InvalidError(f"unknown format: {fmt}", hint=f"choose {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise InvalidError(
            f"no .yaml or .yml file in {', '.join(map(str, paths))}", hint="name a file, or another folder"
        )
    results = _results(files, overrides)
    if fmt == "text":
        _print(results)
    elif text := findings.FORMATS[fmt](results):
        say(text)
    bad = any(not result.valid or (strict and result.problems) for result in results)
    return ExitCode.INVALID if bad else ExitCode.OK


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.suffix in YAML and file.is_file())
    else:
        yield path


def _results(files: Sequence[Path], overrides: Sequence[str]) -> list[FileResult]:
    once = {file.resolve(): file for file in reversed(files)}
    looked_at = [_file(file, overrides) for file in files if once[file.resolve()] is file]
    by_path = {file.path: file for file in looked_at}
    for path, problem in same_names(file.named for file in looked_at if file.named):
        by_path[path].problems.append(problem)
    return [FileResult(file.path, tuple(file.problems)) for file in looked_at]


def _file(file: Path, overrides: Sequence[str]) -> _File:
    try:
        if is_environment(file):
            load_environment(file)
            return _File(file, [])
        document, values, scenario = load_document(file, overrides, vocabulary(), files=True)
    except DiagnosticsError as error:
        return _File(file, list(error.diagnostics))
    return _File(file, lint(file, document, values, scenario, vocabulary()), (file, document, scenario.name))


def _print(results: Sequence[FileResult]) -> None:
    for result in results:
        if result.valid:
            say(f"{one_line(str(result.file))}: valid")
    for problem in (problem for result in results for problem in result.problems):
        say(f"{problem.render()}\n", stream=sys.stderr)
