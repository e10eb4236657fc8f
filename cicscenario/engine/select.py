"""Selects the steps of a plan by the options --until, --since and --only."""

from dataclasses import dataclass

from cicscenario.errors import InvalidError
from cicscenario.plan.compile import Plan


@dataclass(frozen=True)
class Selection:
    """Step names: the last (``until``), the first (``since``), and the only steps to execute (``only``)."""

    until: str | None = None
    since: str | None = None
    only: tuple[str, ...] = ()


EVERYTHING = Selection()


def select_steps(plan: Plan, selection: Selection) -> frozenset[str] | None:
    """The names of the steps to execute; None for all steps and the checks.

    Raises InvalidError for a step that the plan does not have, and when no step is selected.
    """
    names = [step.name for step in plan.steps]
    for name in (*selection.only, selection.until, selection.since):
        if name is not None and name not in names:
            hint = f"its steps are: {', '.join(names)}"
            if "=" in name:
                hint = f"to choose combinations of a matrix: --set {name}"
            raise InvalidError(f"this scenario has no step {name!r}", hint=hint)
    if selection == EVERYTHING:
        return None
    first = names.index(selection.since) if selection.since else 0
    last = names.index(selection.until) if selection.until else len(names) - 1
    selected = frozenset(names[first : last + 1]) & frozenset(selection.only or names)
    if not selected:
        raise InvalidError("the command line selects no step", hint=f"the steps in order are: {', '.join(names)}")
    return selected
