"""The make-up of a scenario's people, for plans, reports and reviews: the shares that they are drawn with."""

from collections.abc import Mapping
from typing import Any

from cicscenario.language import Scenario
from cicscenario.people.makeup import MakeUp, uniform_figures
from cicscenario.printable import one_line
from cicscenario.wording import counted

_MOST = 3  # groups of a figure that are named
_DIGITS = 6  # of a share in data

Figures = dict[str, dict[str, float]]


def make_up(scenario: Scenario) -> Figures:
    """The share of each group, by figure, such as ``gender``; empty for people who exist already. Reads nobody."""
    people = scenario.population
    if people.source is not None:
        return {}
    languages, gender = dict(people.languages), dict(people.gender)
    if people.profile is None:
        return uniform_figures(languages, gender)
    return MakeUp(people.profile, languages=languages, gender=gender).figures()


def profile_document(scenario: Scenario) -> dict[str, Any] | None:
    """The profile of a scenario as data, with its figures; None without one."""
    profile = scenario.population.profile
    if profile is None or scenario.population.source is not None:
        return None
    told = {name: getattr(profile, name) for name in ("name", "description", "source", "licence", "people")}
    figures = {
        figure: {group: round(share, _DIGITS) for group, share in sorted(groups.items(), key=_by_share)}
        for figure, groups in make_up(scenario).items()
    }
    known = {name: value for name, value in told.items() if value not in (None, "")}
    return known | {"measured": profile.measured.isoformat(), "digest": profile.digest, "figures": figures}


def profile_words(document: Mapping[str, Any]) -> list[str]:
    """The profile in lines: what it is and where it is from, and the largest groups of each figure."""
    of = f", {counted(document['people'], 'person')}" if "people" in document else ""
    licence = f" (licence {document['licence']})" if "licence" in document else ""
    head = f"{document['name']}{of}, {document['measured']}"
    source = [f"from: {document['source']}{licence}"] if "source" in document else []
    rows = [f"{figure}: {largest(groups)}" for figure, groups in document["figures"].items()]
    return [one_line(text) for text in (head, *source, *rows)]


def largest(groups: Mapping[str, float]) -> str:
    """The largest groups in words, such as ``female 57 %, male 37 %, and 2 more``."""
    ranked = sorted(groups.items(), key=_by_share)
    named = [f"{group} {percent(share)}" for group, share in ranked[:_MOST]]
    left = len(ranked) - len(named)
    return ", ".join(named) + (f", and {left} more" if left else "")


def percent(share: float) -> str:
    """A share in words, such as ``57 %``, or ``0.4 %``."""
    number = share * 100
    return f"{number:.0f} %" if number >= 10 or number == 0 else f"{number:.2g} %"


def _by_share(pair: tuple[str, float]) -> tuple[float, str]:
    return -pair[1], pair[0]
