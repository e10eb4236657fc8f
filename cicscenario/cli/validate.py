"""``cicscenario validate``: shows all errors and warnings of scenarios, environment files and profiles."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import DiagnosticsError, is_environment, load_environment
from cicscenario.language.diagnostic import Diagnostic
from cicscenario.language.finding import Candidate, candidates
from cicscenario.language.lint import lint, same_names
from cicscenario.language.load import load_documents
from cicscenario.language.matrixproblems import warnings_of
from cicscenario.language.nodes import Mapping
from cicscenario.language.profiles import is_profile, load_profile
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
    combinations: int = 1


def validate(paths: Sequence[Path], overrides: Sequence[str], fmt: str, *, strict: bool = False) -> ExitCode:
    """Prints valid files to stdout and the errors of the others to stderr (formats other than text: all to stdout).

    Folders are searched for scenarios, environment files and profiles; the text says which YAML files are others, and why.
    ``overrides`` apply to scenarios. Warnings are always shown, but change the exit
    code only when ``strict``. Raises InvalidError when there is no file to validate.
    """
    if fmt not in FORMATS:
        raise InvalidError(f"unknown format: {fmt}", hint=f"choose {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    found = [
        candidate for path in paths for candidate in (_sorted(candidates(path)) if path.is_dir() else [Candidate(path)])
    ]
    files = [candidate.path for candidate in found if candidate.left_out is None]
    left_out = [candidate for candidate in found if candidate.left_out is not None]
    if not files:
        others = "".join(f"\n{_left_out(candidate)}" for candidate in left_out)
        raise InvalidError(
            f"no .yaml or .yml file of a scenario or an environment in {', '.join(map(str, paths))}{others}",
            hint="name a file, or another folder",
        )
    results = _results(files, overrides)
    if fmt == "text":
        _print(results, left_out)
    elif text := findings.FORMATS[fmt](results):
        say(text)
    bad = any(not result.valid or (strict and result.problems) for result in results)
    return ExitCode.INVALID if bad else ExitCode.OK


def _sorted(found: Iterable[Candidate]) -> list[Candidate]:
    return sorted(found, key=lambda candidate: candidate.path)


def _left_out(candidate: Candidate) -> str:
    return f"{one_line(str(candidate.path))}: left out ({candidate.left_out})"


def _results(files: Sequence[Path], overrides: Sequence[str]) -> list[FileResult]:
    once = {file.resolve(): file for file in reversed(files)}
    looked_at = [_file(file, overrides) for file in files if once[file.resolve()] is file]
    by_path = {file.path: file for file in looked_at}
    for path, problem in same_names(file.named for file in looked_at if file.named):
        by_path[path].problems.append(problem)
    return [FileResult(file.path, tuple(file.problems), file.combinations) for file in looked_at]


def _file(file: Path, overrides: Sequence[str]) -> _File:
    try:
        if is_environment(file):
            load_environment(file)
            return _File(file, [])
        if is_profile(file):
            load_profile(file)
            return _File(file, [])
        found = load_documents(file, overrides, vocabulary(), files=True)
    except DiagnosticsError as error:
        return _File(file, list(error.diagnostics))
    warnings = [lint(file, *loaded, vocabulary()) for loaded in found]
    combinations = [loaded.scenario.combination for loaded in found]
    known = [(one, problems) for one, problems in zip(combinations, warnings, strict=True) if one]
    told = warnings_of(known) if known else warnings[0]
    return _File(file, told, (file, found[0].document, found[0].scenario.name), len(found))


def _print(results: Sequence[FileResult], left_out: Sequence[Candidate]) -> None:
    for result in results:
        if result.valid:
            several = f" in all {result.combinations} combinations" if result.combinations > 1 else ""
            say(f"{one_line(str(result.file))}: valid{several}")
    for candidate in left_out:
        say(_left_out(candidate))
    for problem in (problem for result in results for problem in result.problems):
        say(f"{problem.render()}\n", stream=sys.stderr)
