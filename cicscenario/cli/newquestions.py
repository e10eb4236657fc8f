"""The questions of ``cicscenario new``, in the words of people who know what they want and not yet the language."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cicscenario.backends import all_backends
from cicscenario.checks import all_checks
from cicscenario.cli.newfile import in_yaml
from cicscenario.language import Scenario
from cicscenario.language.schema import Schema, first_sentence, keys
from cicscenario.metadata import all_kinds
from cicscenario.vocabulary import scenario_schema, vocabulary

_WIDTH = 14  # of a name in an explanation
_NOT_ASKED = ("version", "name", "description", "extends", "vars", "environment")


@dataclass(frozen=True)
class Question:
    """A question about one key. ``explained`` are the possible answers, each with what it means."""

    key: str
    words: str
    such: str  #: what an answer looks like
    explained: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        """The explanations, for before the question."""
        return [f"  {name:<{_WIDTH}}{meaning}" for name, meaning in self.explained]


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
        Question("population.region", "Of which country are their phone numbers?", "two letters, such as KE"),
        Question("backend.kind", "How do they get accounts?", _names(backends), backends),
        Question(
            "gift.threshold", "How many tokens does each of them get as a gift, at most?", "a number; 0 for no gifts"
        ),
        Question("faucet", "Do they also get what the token's faucet gives?", "true | false"),
        Question("gas", "How much of the chain's own currency do they get for fees?", "in wei; 0 for none"),
        Question("metadata", "What is written about them to the metadata store?", "[] for nothing; a list", kinds),
        Question("pins", "Do they get PINs for the phone interface?", "none, {scheme: bcrypt} or {scheme: fernet}"),
        Question("ussd_data", "Are their status and language written to the phone interface's table?", "true | false"),
        Question("checks.include", "Which checks run at the end?", "none for all that apply; a list", checks),
    ]


def _names(explained: tuple[tuple[str, str], ...]) -> str:
    return " | ".join(name for name, _ in explained)


def choices(schema: Schema) -> str:
    """What an answer looks like, from the schema."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "enum" in schema.get("items", {}):
        return f"[{', '.join(map(str, schema['items']['enum']))}] or some of them"
    if schema.get("type") == "boolean":
        return "true | false"
    return f"such as {in_yaml(schema['examples'][0])}"


def understood(scenario: Scenario) -> list[str]:
    """What a scenario says, in lines for its author."""
    gift, people, pins = scenario.gift, scenario.population, scenario.pins
    excluded = set(scenario.checks.exclude)
    names = scenario.checks.include or vocabulary().applicable(scenario)
    rows: dict[str, Any] = {
        "people": f"{people.size or 'all'} from {people.source}"
        if people.source
        else f"{people.size} of {people.region}",
        "accounts": f"{scenario.backend.traits.kind}: {scenario.backend.traits.summary}",
        "gift": f"0 to {gift.threshold} tokens each" if gift.threshold and gift.method != "none" else "none",
        "metadata": ", ".join(scenario.metadata) or "none",
        "PINs": pins.scheme if pins else "none",
        "checks": ", ".join(name for name in names if name not in excluded) or "none",
        "environment": scenario.environment or "none: give --env",
    }
    return [f"  {name:<{_WIDTH}}{value}" for name, value in rows.items()]


Ask = Callable[[str, str], str]  #: (question, default) -> answer
