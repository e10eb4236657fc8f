"""What changes in the make-up of the people: the share of each group before and after, where they differ."""

from collections.abc import Iterable
from dataclasses import dataclass

from cicscenario.plan.makeup import Figures, percent

_MOST = 3  # groups of a figure that are named
_SAME = 1e-6  # difference of shares that is none


@dataclass(frozen=True)
class Shift:
    """A group of a figure, such as ``female`` of ``gender``, with its share of 1 before and after."""

    figure: str
    group: str
    before: float
    after: float


def shifts(before: Figures, after: Figures) -> tuple[Shift, ...]:
    """The groups whose share differs, the largest change of each figure first.

    Figures that are known on one side only, as those of people who exist already are, say nothing.
    """
    return tuple(shift for figure in before if figure in after for shift in _of(figure, before[figure], after[figure]))


def _of(figure: str, before: dict[str, float], after: dict[str, float]) -> list[Shift]:
    groups = dict.fromkeys([*before, *after])
    found = [Shift(figure, group, before.get(group, 0.0), after.get(group, 0.0)) for group in groups]
    changed = [shift for shift in found if abs(shift.after - shift.before) > _SAME]
    return sorted(changed, key=lambda shift: (-abs(shift.after - shift.before), shift.group))


def shift_words(found: Iterable[Shift]) -> list[str]:
    """The shifts in words, by figure: ``gender (male 33 % -> 37 %, and 2 more)``."""
    by_figure: dict[str, list[str]] = {}
    for shift in found:
        text = f"{shift.group} {percent(shift.before)} -> {percent(shift.after)}"
        by_figure.setdefault(shift.figure, []).append(text)
    return [f"{figure} ({', '.join(_cut(texts))})" for figure, texts in by_figure.items()]


def _cut(texts: list[str]) -> list[str]:
    left = len(texts) - _MOST
    return [*texts[:_MOST], f"and {left} more"] if left > 0 else texts
