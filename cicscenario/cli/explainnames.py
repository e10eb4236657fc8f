"""What ``explain`` knows beside keys and error codes: steps, checks, backends, metadata kinds, exit codes, faults and pages."""

import inspect
import re
from collections.abc import Callable

from cicscenario.backends import all_backends
from cicscenario.checks import all_checks
from cicscenario.errors import ExitCode
from cicscenario.inputs import read_text_input
from cicscenario.metadata import all_kinds
from cicscenario.plan.compile import ordered
from cicscenario.resources import page_path
from cicscenario.review.effects import by_backend
from cicscenario.sandbox.faultnames import FAULTS
from cicscenario.steps import all_steps

#: Pages of the documentation, which messages name: they are installed, too.
PAGES = ("engine-standstill", "guarantees", "troubleshooting")


def names() -> dict[str, list[Callable[[], str]]]:
    """Every name with what makes its explanations. A name may be of several kinds, such as the step and check ``gas``."""
    found: dict[str, list[Callable[[], str]]] = {}

    def add(name: str, made: Callable[[], str]) -> None:
        found.setdefault(name, []).append(made)

    for step in ordered(all_steps()):
        add(step.name, lambda name=step.name: _step(name))  # type: ignore[misc]
    for check in all_checks():
        add(check.name, lambda name=check.name: _check(name))  # type: ignore[misc]
    for backend in all_backends():
        add(backend.kind, lambda one=backend: f"the backend {one.kind}\n  {one.summary}")  # type: ignore[misc]
    for kind in all_kinds():
        add(kind.name, lambda one=kind: f"the metadata kind {one.name}\n  a run can {one.writes}; {one.proves}")  # type: ignore[misc]
    for code, text in exit_codes().items():
        for name in (str(code.value), code.name):
            add(name, lambda code=code, text=text: f"exit code {code.value} ({code.name})\n  {text}")  # type: ignore[misc]
    for name, text in FAULTS.items():
        add(name, lambda name=name, text=text: f"the fault {name}\n  {text}\n  use      {_use(name)}")  # type: ignore[misc]
    for page in PAGES:
        add(page, lambda page=page: read_text_input(page_path(page)).strip())  # type: ignore[misc]
    return found


def exit_codes() -> dict[ExitCode, str]:
    """The meaning of each exit code, as it is written beside it."""
    said = dict(re.findall(r"^\s+([A-Z_]+) = \d+\s+#: (.+)$", inspect.getsource(ExitCode), re.MULTILINE))
    return {code: said[code.name] for code in ExitCode}


def _use(fault: str) -> str:
    """The commands that inject a fault; what it takes is in capitals where the fault is described."""
    takes = re.search(r"\b(SHARE|SECONDS|NAME|TASKS|WEI|N)\b", FAULTS[fault])
    setting = f"{fault}{f'={takes[1]}' if takes else ''}"
    return f"cicscenario stack up --fault {setting} or, while it is up, cicscenario stack faults set {setting}"


def _step(name: str) -> str:
    step = next(step for step in all_steps() if step.name == name)
    lines = [f"the step {name}", f"  after    {', '.join(step.after) or 'nothing'}"]
    ways: dict[str, list[str]] = {}
    for kind, outline in by_backend().items():
        for planned in outline.planned:
            if planned.name == name:
                ways.setdefault(planned.summary, []).append(kind)
    lines += [f"  does     {summary} (backend {', '.join(kinds)})" for summary, kinds in ways.items()]
    if step.repeatable:
        lines.append("  again    whenever its result is gone or wrong")
    if step.files:
        lines.append(f"  writes   {', '.join(file.name for file in step.files)}, at the end of every run")
    return "\n".join(lines)


def _check(name: str) -> str:
    check = next(check for check in all_checks() if check.name == name)
    lines = [f"the check {name}", f"  proves   {check.summary}"]
    if check.services:
        lines.append(f"  asks     {', '.join(service.value for service in check.services)}")
    lines += [f"  not      {condition.lacks} (or {condition.remedy})" for condition in check.conditions]
    return "\n".join(lines)
