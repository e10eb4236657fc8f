"""The effects of a change to a scenario, for reviewers: people, transactions, gas, and checks that are lost."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cicscenario.errors import InvalidError
from cicscenario.language import Scenario
from cicscenario.language.compare import Change
from cicscenario.plan.compile import compile_plan
from cicscenario.plan.estimate import work
from cicscenario.plan.makeup import Figures, make_up
from cicscenario.printable import one_line
from cicscenario.review.effects import only, outline
from cicscenario.review.shifts import Shift, shift_words, shifts
from cicscenario.wording import counted

_FAUCET = "faucet"  # the step's name
_COUNTED = 10_000  #: people whose gifts are counted; for larger populations the count is extrapolated
_LOOKED_AT = 3  #: people who are compared to find out whether the people change
_SHOWN = 60  #: maximum characters of a value


@dataclass(frozen=True)
class Weight:
    """The size of a scenario. Gas is in units of gas, tokens are whole tokens; both are estimates."""

    people: int
    transactions: int
    gas: int
    tokens: int
    steps: tuple[str, ...]
    checks: tuple[str, ...]
    sample: tuple[Any, ...] = field(repr=False)  #: the first people, to detect other people
    make_up: Figures = field(default_factory=dict, repr=False)  #: empty for people who exist already


@dataclass(frozen=True)
class Consequence:
    """The difference between two weights; the numbers are differences too."""

    people: int = 0
    transactions: int = 0
    gas: int = 0
    tokens: int = 0
    steps_added: tuple[str, ...] = ()
    steps_removed: tuple[str, ...] = ()
    checks_added: tuple[str, ...] = ()
    checks_removed: tuple[str, ...] = ()
    other_people: bool = False
    make_up: tuple[Shift, ...] = ()  #: the groups of people whose share differs
    faucet: bool = False  #: people also get what the faucet gives, which only the chain knows

    @property
    def weaker(self) -> bool:
        """Whether fewer checks are made than before."""
        return bool(self.checks_removed)


@dataclass(frozen=True)
class Line:
    """One change, and its effect alone; None when the change is not valid alone."""

    change: Change
    consequence: Consequence | None
    weaker: bool


@dataclass(frozen=True)
class Difference:
    """The difference between two scenarios, one of which may be missing; ``name`` is the file's name."""

    name: str
    lines: tuple[Line, ...] = ()
    before: Weight | None = None
    after: Weight | None = None

    @property
    def same(self) -> bool:
        return not self.lines and (self.before is None) == (self.after is None)

    @property
    def together(self) -> Consequence:
        empty = Weight(0, 0, 0, 0, (), (), ())
        return consequence(self.before or empty, self.after or empty)

    @property
    def weaker(self) -> bool:
        both = self.before is not None and self.after is not None
        return any(line.weaker for line in self.lines) or (both and self.together.weaker)


def weigh(scenario: Scenario) -> Weight:
    """Computes the weight of ``scenario`` without asking a service. For many people, it is extrapolated from the first.

    If the files of ``population.from`` are missing, only steps and checks are known. Raises InvalidError when the scenario
    includes a check that does not apply.
    """
    told = outline(scenario)
    try:
        plan = compile_plan(scenario)
    except InvalidError:
        return Weight(scenario.population.size or 0, 0, 0, 0, told.steps, told.checks, (), make_up(scenario))
    size = plan.size
    some = min(size, _COUNTED)
    people = plan.population
    lines = work(replace(plan, size=some), None).lines
    tokens = sum(line.tokens for line in lines)
    return Weight(
        people=size,
        transactions=_scaled(sum(line.transactions for line in lines), size, some),
        gas=_scaled(sum(line.gas for line in lines), size, some),
        tokens=_scaled(tokens, size, some),
        steps=told.steps,
        checks=told.checks,
        sample=tuple(asdict(people.person(index)) | {"gift": None} for index in range(min(size, _LOOKED_AT))),
        make_up=make_up(scenario),
    )


def _scaled(number: int, size: int, some: int) -> int:
    return number if size == some else round(number * size / some)


def consequence(before: Weight, after: Weight) -> Consequence:
    """The difference between two weights."""
    compared = min(len(before.sample), len(after.sample))
    return Consequence(
        people=after.people - before.people,
        transactions=after.transactions - before.transactions,
        gas=after.gas - before.gas,
        tokens=after.tokens - before.tokens,
        steps_added=only(after.steps, before.steps),
        steps_removed=only(before.steps, after.steps),
        checks_added=only(after.checks, before.checks),
        checks_removed=only(before.checks, after.checks),
        other_people=before.sample[:compared] != after.sample[:compared],
        make_up=shifts(before.make_up, after.make_up),
        faucet=_FAUCET in after.steps,
    )


def line(change: Change, found: Consequence | None) -> Line:
    return Line(change, found, (found is not None and found.weaker) or _allows_more(change))


def _allows_more(change: Change) -> bool:
    """Whether a bound such as "-2%" became wider or was added."""
    values = [value for value in (change.before, change.after) if value is not None]
    if not change.key.startswith("checks.") or not all(isinstance(v, str) and v.endswith("%") for v in values):
        return False
    was, now = (float(value.rstrip("%")) if value else 0.0 for value in (change.before, change.after))
    return abs(now) > abs(was) or was * now < 0


# --- words ------------------------------------------------------------------------------------------------------


def words(found: Consequence, bold: str = "") -> list[str]:
    """A consequence in words, as parts of a sentence."""
    parts = [counted(found.people, "person", sign=True)] if found.people else []
    parts += [counted(found.transactions, "transaction", sign=True)] if found.transactions else []
    parts += [f"{_metric(found.gas)} gas"] if found.gas else []
    more = " (the faucet's come on top)" if found.faucet and found.people else ""
    parts += [f"about {counted(found.tokens, 'token', sign=True)} in gifts{more}"] if found.tokens else []
    parts += [f"step `{name}` added" for name in found.steps_added]
    parts += [f"step `{name}` removed" for name in found.steps_removed]
    parts += [f"check `{name}` added" for name in found.checks_added]
    parts += [f"check `{name}` removed - {bold}weaker{bold}" for name in found.checks_removed]
    parts += shift_words(found.make_up)
    return parts + (["all people are different"] if found.other_people else [])


def _metric(number: int) -> str:
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if abs(number) >= size:
            return f"{number / size:+.3g} {unit}" if abs(number) < 1000 * size else f"{number / size:+.0f} {unit}"
    return f"{number:+d}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _what(change: Change) -> str:
    """The change in words: items added to and removed from a list, or the value before and after."""
    key = change.key.removesuffix(".size")
    if change.is_list and (change.added or change.removed):
        items = [f"+{item}" for item in change.added] + [f"-{item}" for item in change.removed]
        return f"{key} {' '.join(items)}"
    if change.is_list:
        return f"{key} in another order"
    return f"{key} {_value(change.before)} -> {_value(change.after)}"


def sentence(line: Line, bold: str = "") -> str:
    """One change in words, such as ``population 1000 -> 5000: +4000 people``."""
    parts = words(line.consequence, bold) if line.consequence else []
    if line.weaker and not (line.consequence and line.consequence.weaker):
        parts.append(f"allows more - {bold}weaker{bold}")
    return _what(line.change) + (f": {', '.join(parts)}" if parts else "")


def _summary(weight: Weight) -> str:
    return (
        f"{counted(weight.people, 'person')}, {counted(weight.transactions, 'transaction')},"
        f" {_metric(weight.gas).lstrip('+')} gas; checks {', '.join(weight.checks) or 'none'}"
    )


def _body(found: Difference, bold: str = "") -> list[str]:
    if found.before is None and found.after is not None:
        return [f"new: {_summary(found.after)}"]
    if found.after is None and found.before is not None:
        return [f"removed: it had {_summary(found.before)}"]
    return [sentence(line, bold) for line in found.lines]


def _foot(found: Difference, bold: str = "") -> str:
    together = found.together
    if any(line.consequence and line.consequence.make_up == together.make_up for line in found.lines):
        together = replace(together, make_up=())  # said already
    parts = words(together, bold)
    return f"together: {', '.join(parts)}" if parts and len(found.lines) > 1 else ""


def as_text(found: Iterable[Difference]) -> str:
    """One block per file, for a terminal."""
    blocks = []
    for one in found:
        rows = [*_body(one), _foot(one)]
        blocks.append("\n".join([one_line(one.name), *(f"  {row}" for row in rows if row)]))
    return "\n\n".join(blocks) or "no difference"


def as_markdown(found: Iterable[Difference]) -> str:
    """The same for a merge request's description or note."""
    blocks = []
    for one in found:
        mark = " — **verification becomes weaker**" if one.weaker else ""
        rows = [f"- {_escaped(row)}" for row in _body(one, "**")]
        foot = _foot(one, "**")
        blocks.append(
            "\n".join([f"#### `{one_line(one.name)}`{mark}", "", *rows, *(["", _escaped(foot)] if foot else [])])
        )
    return "### Scenarios\n\n" + ("\n\n".join(blocks) or "No scenario has changed in its effects.") + "\n"


def _escaped(text: str) -> str:
    """Escapes text for Markdown, except for code and bold type."""
    return re.sub(r"[<>\[\]|]", r"\\\g<0>", text.replace("\n", " ").replace("->", "→"))


def as_document(found: Iterable[Difference]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "file": one.name,
            "weaker": one.weaker,
            "before": _weight(one.before),
            "after": _weight(one.after),
            "changes": [
                {
                    "key": line.change.key,
                    "before": line.change.before,
                    "after": line.change.after,
                    "weaker": line.weaker,
                    "consequence": asdict(line.consequence) if line.consequence else None,
                    "text": sentence(line),
                }
                for line in one.lines
            ],
            "together": asdict(one.together),
        }
        for one in found
    ]


def _weight(weight: Weight | None) -> dict[str, Any] | None:
    return {key: value for key, value in asdict(weight).items() if key not in ("sample", "make_up")} if weight else None
