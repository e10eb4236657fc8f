"""The findings of `validate`, in formats for people, merge requests and other programs."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cicscenario import __version__
from cicscenario.files import from_the_top
from cicscenario.language.diagnostic import EXPLANATIONS, Code, Diagnostic
from cicscenario.printable import json_text


@dataclass(frozen=True)
class Finding:
    """One error or warning, with its path, and a fingerprint that stays the same when lines move."""

    problem: Diagnostic
    path: str  #: with slashes; relative to the top of the git checkout, or to the current folder without one
    fingerprint: str

    @property
    def line(self) -> int:
        return max(1, self.problem.line)


@dataclass(frozen=True)
class FileResult:
    """A validated file and its findings."""

    file: Path
    problems: tuple[Diagnostic, ...]
    combinations: int = 1  #: of the scenario's matrix

    @property
    def valid(self) -> bool:
        """Whether there are no errors; warnings are allowed."""
        return not any(problem.code.severity == "error" for problem in self.problems)


def findings(results: Iterable[FileResult]) -> list[Finding]:
    """Every finding once. A finding in an extended file would occur once for each file that extends it."""
    found: list[Finding] = []
    seen: set[tuple[Any, ...]] = set()
    alike: Counter[str] = Counter()
    for result in results:
        for problem in result.problems:
            path = from_the_top(Path(problem.file) if Path(problem.file).suffix else result.file)
            place = (problem.code, path, problem.line, problem.column, problem.message)
            if place in seen:
                continue
            seen.add(place)
            text = "\0".join((problem.code, path, problem.key or "", re.sub(r"line \d+", "line", problem.message)))
            alike[text] += 1
            digest = hashlib.sha256(f"{text}\0{alike[text]}".encode("utf-8", "surrogateescape")).hexdigest()
            found.append(Finding(problem, path, digest))
    return found


# --- forms ------------------------------------------------------------------------------------------------------


def as_json(results: Sequence[FileResult]) -> str:
    """A list with one entry per file: its errors and warnings."""
    return _dump(
        [{"file": str(r.file), "valid": r.valid, "diagnostics": [_entry(p) for p in r.problems]} for r in results]
    )


def _entry(problem: Diagnostic) -> dict[str, Any]:
    return asdict(problem) | {"severity": problem.code.severity}


def as_gitlab(results: Sequence[FileResult]) -> str:
    """GitLab's Code Quality report."""
    return _dump(
        [
            {
                "description": _sentence(finding.problem),
                "check_name": str(finding.problem.code),
                "fingerprint": finding.fingerprint,
                "severity": _gitlab_severity(finding.problem.code),
                "location": {"path": finding.path, "lines": {"begin": finding.line}},
            }
            for finding in findings(results)
        ]
    )


def _gitlab_severity(code: Code) -> str:
    if code == Code.LITERAL_SECRET:
        return "blocker"
    return "major" if code.severity == "error" else "minor"


def as_sarif(results: Sequence[FileResult]) -> str:
    """SARIF 2.1.0, for code scanning."""
    found = findings(results)
    used = sorted({finding.problem.code for finding in found})
    driver = {
        "name": "cicscenario",
        "version": __version__,
        "rules": [
            {
                "id": str(code),
                "name": code.name.title().replace("_", ""),
                "shortDescription": {"text": code.name.lower().replace("_", " ").capitalize()},
                "fullDescription": {"text": EXPLANATIONS[code]},
                "help": {"text": f"cicscenario explain {code}"},
                "defaultConfiguration": {"level": code.severity},
            }
            for code in used
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(finding, used.index(finding.problem.code)) for finding in found],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return _dump({"$schema": schema, "version": "2.1.0", "runs": [run]})


def _sarif_result(finding: Finding, rule: int) -> dict[str, Any]:
    problem = finding.problem
    region: dict[str, int] = {"startLine": finding.line}
    if problem.line:
        region |= {"startColumn": problem.column, "endColumn": problem.column + problem.length}
    return {
        "ruleId": str(problem.code),
        "ruleIndex": rule,
        "level": problem.code.severity,
        "message": {"text": _sentence(problem)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(finding.path)}, "region": region}}],
        "partialFingerprints": {"cicscenario/v1": finding.fingerprint},
    }


def _uri(path: str) -> str:
    return Path(path).as_uri() if path.startswith("/") else Path("/", path).as_uri().removeprefix("file:///")


def as_github(results: Sequence[FileResult]) -> str:
    """GitHub workflow commands, which become annotations in the diff."""
    return "\n".join(_annotation(finding) for finding in findings(results))


def _annotation(finding: Finding) -> str:
    problem = finding.problem
    place = {"file": finding.path, "line": str(finding.line)}
    if problem.line:
        place |= {"col": str(problem.column), "endColumn": str(problem.column + problem.length)}
    place["title"] = f"{problem.code} {problem.key or ''}".strip()
    properties = ",".join(f"{name}={_command_value(value)}" for name, value in place.items())
    return f"::{problem.code.severity} {properties}::{_command_text(_sentence(problem))}"


def _command_text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _command_value(text: str) -> str:
    return _command_text(text).replace(":", "%3A").replace(",", "%2C")


def _sentence(problem: Diagnostic) -> str:
    return "; ".join(_parts(problem))


def _parts(problem: Diagnostic) -> Iterator[str]:
    yield problem.message
    if problem.suggestion:
        yield f"did you mean `{problem.suggestion}`?"
    if problem.expected:
        yield f"expected: {problem.expected}"
    if problem.hint:
        yield problem.hint


def _dump(document: Any) -> str:
    return json_text(document, indent=2)


#: The functions that make the output, by the name of the format. ``text`` is not among them: it is printed per file.
FORMATS: dict[str, Callable[[Sequence[FileResult]], str]] = {
    "json": as_json,
    "gitlab": as_gitlab,
    "sarif": as_sarif,
    "github": as_github,
}
