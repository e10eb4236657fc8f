"""The questions of ``cicscenario new``, in the words of people who know what they want and not yet the language."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from cicscenario.backends import all_backends
from cicscenario.checks import all_checks
from cicscenario.cli.newfile import in_yaml
from cicscenario.language import Scenario
from cicscenario.language.countries import name_of
from cicscenario.language.schema import Schema, first_sentence, keys
from cicscenario.metadata import all_kinds
from cicscenario.vocabulary import scenario_schema, vocabulary

_WIDTH = 14  # of a name in what was understood
_GAP = 2  # between a name and what is said of it
_YES_OR_NO = "yes | no"
_NOT_ASKED = ("version", "name", "description", "extends", "vars", "environment", "matrix")


@dataclass(frozen=True)
class Question:
    """A question about one key. ``explained`` are the possible answers, each with what it means."""

    key: str
    words: str
    such: str  #: what an answer looks like
    explained: tuple[tuple[str, str], ...] = ()
    nothing: str = "none"  #: what a value is called that is empty or not given
    needed: str = ""  #: why ``none`` is no answer; empty when it is one, where the key can have it

    def lines(self) -> list[str]:
        """The explanations, for before the question."""
        width = max((len(name) for name, _ in self.explained), default=0) + _GAP
        return [f"  {name:<{width}}{meaning}" for name, meaning in self.explained]

    @property
    def possible(self) -> str:
        """What can be answered, for a person whose answer was not understood."""
        names = ", ".join(name for name, _ in self.explained)
        return f"{self.such} ({names})" if names and names.replace(", ", " | ") != self.such else self.such


def questions() -> Iterator[Question]:
    """All questions in the order in which they are asked: first those below, then each other key at the top of the language."""
    yield from _own()
    asked = {question.key for question in _own()} | {question.key.split(".")[0] for question in _own()}
    for key, schema in keys(scenario_schema()).items():
        own = "properties" in schema and schema.get("default") is not None  # a mapping with a default
        if "." not in key and key not in _NOT_ASKED and key not in asked and not own:
            yield Question(key, f"{first_sentence(schema)}?", choices(schema))


def _own() -> list[Question]:
    backends = tuple((one.kind, one.summary) for one in all_backends())
    kinds = tuple((kind.name, kind.writes) for kind in all_kinds())
    checks = tuple((check.name, check.summary) for check in all_checks())
    return [
        Question("population.size", "How many people?", "a number, such as 100"),
        Question("population.region", "Of which country are their phone numbers?", "a country, such as Kenya or KE"),
        Question("backend.kind", "How do they get accounts?", _names(backends), backends),
        Question(
            "gift.threshold", "How many tokens does each of them get as a gift, at most?", "a number; 0 for no gifts"
        ),
        Question("faucet", "Do they also get what the token's faucet gives?", _YES_OR_NO),
        Question(
            "gas", "How much of the chain's own currency do they get for fees?", "in wei, or as 2 gwei; 0 for none"
        ),
        Question("metadata", "What is written about them to the metadata store?", "some of these, all or none", kinds),
        Question("pins", "Do they get PINs for the phone interface?", "none | bcrypt | fernet"),
        Question("ussd_data", "Are their status and language written to the phone interface's table?", _YES_OR_NO),
        Question(
            "checks.include",
            "Which checks run at the end?",
            "all of these that apply, or some of them",
            checks,
            nothing="all",
            needed="without checks nothing shows that the people arrived",
        ),
    ]


def _names(explained: tuple[tuple[str, str], ...]) -> str:
    return " | ".join(name for name, _ in explained)


def choices(schema: Schema) -> str:
    """What an answer looks like, from the schema."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "enum" in schema.get("items", {}):
        return f"{', '.join(map(str, schema['items']['enum']))}: some of them, all or none"
    if schema.get("type") == "boolean":
        return _YES_OR_NO
    return f"such as {in_yaml(schema['examples'][0])}"


def understood(scenario: Scenario, asked: Collection[str]) -> list[str]:
    """What a scenario says, in lines for its author. Some things are told only when their key is in ``asked``."""
    gift, people, pins = scenario.gift, scenario.population, scenario.pins
    excluded = set(scenario.checks.exclude)
    names = vocabulary().applicable(scenario) if scenario.checks.include is None else scenario.checks.include
    rows: dict[str, Any] = {
        "people": f"{people.size or 'all'} from {people.source}"
        if people.source
        else f"{people.size} of {country(people.region)}",
        "accounts": f"{scenario.backend.traits.kind}: {scenario.backend.traits.summary}",
        "gift": f"0 to {gift.threshold} tokens each" if gift.threshold and gift.method != "none" else "none",
        "faucet": "yes" if scenario.faucet else "no",
        "gas": f"{scenario.gas} wei each" if scenario.gas else "none",
        "metadata": ", ".join(scenario.metadata) or "none",
        "PINs": pins.scheme if pins else "none",
        "ussd_data": "yes" if scenario.ussd_data else "no",
        "checks": ", ".join(name for name in names if name not in excluded) or "none",
        "environment": scenario.environment or "none: give --env",
    }
    told = {name: value for name, value in rows.items() if name not in _WHEN_ASKED or name in asked}
    return [f"  {name:<{_WIDTH}}{value}" for name, value in told.items()]


_WHEN_ASKED = ("faucet", "gas", "ussd_data")  #: what not every backend has


def country(region: str) -> str:
    """A country by its name and its letters, such as ``Kenya (KE)``."""
    name = name_of(region)
    return f"{name} ({region})" if name else region


Ask = Callable[[str, str], str]  #: (question, default) -> answer
