"""The rules of the language: combinations of valid values that are errors."""

from collections.abc import Iterable, Iterator

from cicscenario.language.columns import read_twice
from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.model import KeyHolder, Scenario
from cicscenario.language.nodes import Mapping, written_at
from cicscenario.language.regions import FEWEST_NUMBERS
from cicscenario.language.schema import Path
from cicscenario.language.vocabulary import Rule, Vocabulary, unmet

_INCLUDE = "checks.include"
_KIND: Path = ("backend", "kind")
_SIZE: Path = ("population", "size")
_COLUMNS: Path = ("population", "columns")
_PIN_COLUMN: Path = (*_COLUMNS, "pin")
_THRESHOLD: Path = ("gift", "threshold")
_TRAFFIC: Path = ("traffic",)
_MOST_PAYMENTS = 10_000_000  # as the schema says of ``traffic.payments``


def _numbers(region: str) -> int:
    from cicscenario.numberplan import mobile_numbers  # a slow import, needed only for a large population

    plan = mobile_numbers(region)
    return plan.size if plan else 0


def _too_many(scenario: Scenario) -> Path | None:
    people = scenario.population
    size = people.size if people.source is None and people.size else 0
    return _SIZE if size > FEWEST_NUMBERS and size > _numbers(people.region) else None


def _blame(path: Path, *, when: bool) -> Path | None:
    return path if when else None


def _has_pin_column(scenario: Scenario) -> bool:
    return "pin" in (scenario.population.columns or {})


def _read_twice(scenario: Scenario) -> Path | None:
    field = read_twice(scenario.population.columns or {})
    return None if field is None else (*_COLUMNS, field)


def _given(scenario: Scenario) -> bool:
    """Whether people may get a gift; those of ``population.from`` bring its amount."""
    gives = scenario.gift.threshold > 0 or scenario.population.source is not None
    return gives and scenario.gift.method != "none"


def _numbers_of_payments(scenario: Scenario) -> list[str]:
    """The keys that say how many payments there are."""
    wanted = scenario.traffic
    return [name for name in ("payments", "per_person", "duration") if wanted and getattr(wanted, name) is not None]


def _too_many_payments(scenario: Scenario) -> Path | None:
    said, size = _numbers_of_payments(scenario), scenario.population.size or 0
    if scenario.traffic is None or len(said) != 1 or (said == ["duration"] and scenario.traffic.rate is None):
        return None
    return _blame((*_TRAFFIC, said[0]), when=scenario.traffic.among(size) > _MOST_PAYMENTS)


SCENARIO_RULES = (
    Rule(
        ("population.size", "population.from"),
        lambda s: _blame(("population",), when=s.population.size is None and s.population.source is None),
        "a population without `size`",
        "add `size` (the number of people) or `from` (a table or a folder of existing people)",
    ),
    Rule(
        ("population.size", "population.region", "population.from"),
        _too_many,
        "more people than the region has mobile phone numbers",
        lambda s: (
            f"{s.population.region} has {_numbers(s.population.region):,}: make `size` smaller, or choose another `region`"
        ),
    ),
    Rule(
        ("backend.kind", "population.from"),
        lambda s: _blame(_KIND, when=not s.backend.traits.makes_accounts and s.population.source is None),
        lambda s: f"the backend `{s.backend.traits.kind}` without `population.from`",
        "name the folder or table that the accounts are in, or choose a backend that makes accounts",
    ),
    Rule(
        ("gift.threshold", "backend.kind"),
        lambda s: _blame(_THRESHOLD, when=s.gift.threshold > 0 and s.backend.traits.keys is KeyHolder.OTHERS),
        lambda s: f"a gift with the backend `{s.backend.traits.kind}`, which sends nothing",
        "set `gift.threshold` to 0, or choose another backend",
    ),
    Rule(
        ("gift.method", "gift.threshold"),
        lambda s: _blame(_THRESHOLD, when=s.gift.method == "none" and s.gift.threshold > 0),
        "a gift threshold with `method: none`, which gives nothing",
        "set `gift.threshold` to 0, or choose transfer or mint",
    ),
    Rule(
        ("faucet", "backend.kind"),
        lambda s: _blame(("faucet",), when=s.backend.traits.custodial and not s.faucet),
        "`faucet: false` with a custodial backend, whose engine triggers the faucet by itself",
        "leave `faucet` out, or choose a backend that is not custodial",
    ),
    Rule(
        ("pins", "backend.kind"),
        lambda s: _blame(("pins",), when=s.pins is not None and not s.backend.traits.has_phone_accounts),
        "PINs with a backend that makes no accounts in the phone interface",
        "leave `pins` out, or choose a backend by which people join by phone",
    ),
    Rule(
        ("ussd_data", "backend.kind"),
        lambda s: _blame(("ussd_data",), when=s.ussd_data and not s.backend.traits.has_phone_accounts),
        "USSD data with a backend that makes no accounts in the phone interface",
        "leave `ussd_data` out, or choose a backend by which people join by phone",
    ),
    Rule(
        ("population.columns",),
        lambda s: _blame(_COLUMNS, when="phone" not in (s.population.columns or ("phone",))),
        "no column of phone numbers, which tell people apart",
        "add `phone`, with the heading of that column",
    ),
    Rule(
        ("population.columns",),
        _read_twice,
        "one column for two things",
        "name another column, or leave one of the two out",
    ),
    Rule(
        ("population.columns", "pins"),
        lambda s: _blame(_PIN_COLUMN, when=_has_pin_column(s) and (s.pins is None or not s.pins.of_people)),
        lambda s: "a column of PINs, " + ("and no `pins`" if s.pins is None else "and other PINs in `pins`"),
        lambda s: (
            "add `pins: {scheme: bcrypt}`, or leave the column out"
            if s.pins is None
            else "leave the column out, or `fixed` and `from` of `pins`"
        ),
    ),
    Rule(
        ("pins.from", "population.from"),
        lambda s: _blame(("pins", "from"), when=bool(s.pins and s.pins.source) and s.population.source is None),
        "hashes of PINs for people who are made from a seed: nobody has given them PINs",
        "leave `pins.from` out, or name in `population.from` who they are of",
    ),
    Rule(
        ("pins.from", "pins.fixed", "pins.cost"),
        lambda s: _blame(("pins", "from"), when=bool(s.pins and s.pins.source and (s.pins.fixed or s.pins.cost))),
        "hashes of PINs, and how PINs are made and hashed",
        "leave `pins.from` out, or `fixed` and `cost`",
    ),
    Rule(
        ("traffic", "backend.kind"),
        lambda s: _blame(_TRAFFIC, when=s.traffic is not None and bool(s.backend.traits.no_payments)),
        lambda s: f"payments with the backend `{s.backend.traits.kind}`, which {s.backend.traits.no_payments}",
        "leave `traffic` out, or choose a backend whose people can pay each other",
    ),
    Rule(
        ("traffic", "gift", "population.from", "backend.kind"),
        lambda s: _blame(_TRAFFIC, when=s.traffic is not None and not s.backend.traits.no_payments and not _given(s)),
        "payments without a gift: nobody has tokens to pay with",
        "set `gift.threshold` to 1 or more: people pay what they got as a gift",
    ),
    Rule(
        ("traffic",),
        lambda s: _blame(_TRAFFIC, when=s.traffic is not None and not _numbers_of_payments(s)),
        "payments, and nothing says how many",
        "add `payments`, or `per_person`, or `duration` with `rate`",
    ),
    Rule(
        ("traffic.payments", "traffic.per_person", "traffic.duration"),
        lambda s: _blame((*_TRAFFIC, *_numbers_of_payments(s)[-1:]), when=len(_numbers_of_payments(s)) > 1),
        lambda s: (
            f"{' and '.join(f'`{name}`' for name in _numbers_of_payments(s))} both say how many payments there are"
        ),
        "leave all but one of them out",
    ),
    Rule(
        ("traffic.duration", "traffic.rate"),
        lambda s: _blame(
            (*_TRAFFIC, "duration"),
            when=s.traffic is not None and s.traffic.duration is not None and not s.traffic.rate,
        ),
        "a duration of payments without their rate",
        "add `rate`, the number of payments a second; or say `payments` instead",
    ),
    Rule(
        ("traffic.per_person", "traffic.duration", "traffic.rate", "population.size"),
        _too_many_payments,
        f"more than {_MOST_PAYMENTS:,} payments",
        "make it smaller",
    ),
    Rule(
        ("traffic", "population.size", "population.from"),
        lambda s: _blame(_SIZE, when=s.traffic is not None and s.population.size == 1),
        "payments with one person: nobody pays themselves",
        "make `size` at least 2, or leave `traffic` out",
    ),
)


def contradictions(
    vocabulary: Vocabulary, document: Mapping, scenario: Scenario, wrong: Iterable[Path]
) -> Iterator[Diagnostic]:
    """The contradictions in a scenario. Rules that read an invalid value (a path in ``wrong``) are not applied."""
    invalid = {".".join(str(part) for part in path if isinstance(part, str)) for path in wrong}
    for rule in (*SCENARIO_RULES, *vocabulary.rules):
        path = None if _touched(rule.reads, invalid) else rule.find(scenario)
        if path is not None:
            message, hint = (text if isinstance(text, str) else text(scenario) for text in (rule.message, rule.hint))
            yield _at(document, path, message, hint)
    if not _touched((_INCLUDE,), invalid):
        yield from _idle_checks(vocabulary, document, scenario, invalid)


def _idle_checks(
    vocabulary: Vocabulary, document: Mapping, scenario: Scenario, invalid: set[str]
) -> Iterator[Diagnostic]:
    """Errors for included checks that do not apply to this scenario."""
    for place, name in enumerate(scenario.checks.include or ()):
        conditions = tuple(one for one in vocabulary.checks[name] if not _touched(one.reads, invalid))
        if missing := unmet(conditions, scenario):
            hint = f"leave the check out, or {missing.remedy}"
            yield _at(document, (*_INCLUDE.split("."), place), f"the check `{name}` {missing.lacks}", hint)


def _at(document: Mapping, path: Path, message: str, hint: str) -> Diagnostic:
    key = ".".join(part for part in path if isinstance(part, str))
    return written_at(document, path).diagnostic(Code.CONTRADICTION, message, hint=hint, key=key)


def _touched(reads: Iterable[str], invalid: set[str]) -> bool:
    """Whether a key, or one above or below it, is invalid."""
    return any(
        wrong == key or wrong.startswith(f"{key}.") or key.startswith(f"{wrong}.") or not wrong
        for key in reads
        for wrong in invalid
    )
