"""What is wrong in the combinations of a matrix, told once, with the combinations that have it."""

from collections.abc import Sequence
from dataclasses import replace

from cicscenario.language.combination import Combination
from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.matrix import Case
from cicscenario.language.nodes import Mapping, Node
from cicscenario.language.nodes import Sequence as List
from cicscenario.language.redaction import redact
from cicscenario.language.source import Span

_Place = tuple[str, int, int]  #: file, line and column from 0


def told_once(found: Sequence[tuple[Case, Sequence[Diagnostic]]]) -> list[Diagnostic]:
    """What was found in the combinations, each thing once. What not all of them have says which ones do.

    An error of a value of the matrix says so by its place.
    """
    seen = _seen([problems for _, problems in found])
    every = [case for case, _ in found]
    return [problem if len(those) == len(every) else _named(problem, those, every) for problem, those in seen.items()]


def warnings_of(found: Sequence[tuple[Combination, Sequence[Diagnostic]]]) -> list[Diagnostic]:
    """The warnings that every combination has: what only some have is a purpose of a matrix, such as a key of one backend.

    A combination in which nothing is checked is named.
    """
    seen = _seen([problems for _, problems in found])
    told = []
    for problem, those in seen.items():
        if len(those) == len(found):
            told.append(problem)
        elif problem.code is Code.NOTHING_CHECKED:
            told.append(replace(problem, message=f"{problem.message} (with {redact(found[min(those)][0].label)})"))
    return told


def _seen(found: Sequence[Sequence[Diagnostic]]) -> dict[Diagnostic, set[int]]:
    """Each thing that was found, with the numbers of the combinations that have it."""
    seen: dict[Diagnostic, set[int]] = {}
    for number, problems in enumerate(found):
        for problem in problems:
            seen.setdefault(problem, set()).add(number)
    return seen


def _named(problem: Diagnostic, those: set[int], every: list[Case]) -> Diagnostic:
    """The problem with the combinations that have it."""
    for axis, value in every[min(those)].chosen:
        if those == {number for number, case in enumerate(every) if (axis, value) in case.chosen}:
            if (problem.file, problem.line - 1, problem.column - 1) in _places(value.node):
                return problem
            return replace(problem, message=f"{problem.message} ({redact(f'with {axis.key}={value.text}')})")
    more = f" and {len(those) - 1} more" if len(those) > 1 else ""
    label = every[min(those)].combination.label
    return replace(problem, message=f"{problem.message} (in the combination {redact(label)}{more})")


def _places(node: Node) -> set[_Place]:
    """The places of all keys and values of a node."""
    found = {_place(node.span)}
    if isinstance(node, List):
        return found.union(*(_places(item) for item in node.items))
    if isinstance(node, Mapping):
        return found.union(*({_place(entry.key)} | _places(entry.value) for entry in node.entries.values()))
    return found


def _place(span: Span) -> _Place:
    return span.source.name, span.line, span.column
