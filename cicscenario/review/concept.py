"""The picture of a run, ``docs/concepts.svg``: steps by people, and the services that each step speaks to."""

from collections.abc import Container
from dataclasses import dataclass

from jinja2 import Environment, StrictUndefined

from cicscenario.checks import all_checks
from cicscenario.connections import Service
from cicscenario.resources import template_path
from cicscenario.review.effects import by_backend

_BATCHES = 6  # columns of the grid
_DONE = 10  # the number of steps that the first batch has behind it
_LAG = 2  # steps that each batch is behind the one before it


@dataclass(frozen=True)
class Row:
    """One step, or all checks: how far each batch of people is in it, and which services it speaks to."""

    name: str
    cells: tuple[str, ...]  #: done, work or wait
    services: tuple[bool, ...]


def concept_picture() -> str:
    """The picture as SVG. Its rows are the steps of the backend that speaks to the most services."""
    outlines = by_backend()
    shown = max(outlines, key=lambda kind: len({used for step in outlines[kind].planned for used in step.services}))
    outline = outlines[shown]
    steps = [Row(step.name, _cells(number), _marks(step.services)) for number, step in enumerate(outline.planned)]
    asked = {service for check in all_checks() if check.name in outline.checks for service in check.services}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template_path("concepts.svg.j2").read_text("utf-8")).render(
        steps=steps,
        checks=Row("checks", ("wait",) * _BATCHES, _marks(asked)),
        services=[service.value for service in Service],
        backend=shown,
    )


def _cells(step: int) -> tuple[str, ...]:
    """The first batch is ahead of the second, and so on: a moment in the middle of a run."""
    ahead = [_DONE - _LAG * batch for batch in range(_BATCHES)]
    return tuple("done" if step < at else "work" if step == at else "wait" for at in ahead)


def _marks(used: Container[Service]) -> tuple[bool, ...]:
    return tuple(service in used for service in Service)
