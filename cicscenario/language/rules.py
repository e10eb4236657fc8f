"""Combinations that each value allows and that cannot hold together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.nodes import Mapping, written_at
from cicscenario.language.schema import Path
from cicscenario.numberplan import mobile_numbers


@dataclass(frozen=True)
class Rule:
    """A contradiction: it reads the values at ``reads``, and ``find`` gives the path to blame, or None when all is well."""

    reads: tuple[Path, ...]
    find: Callable[..., Path | None]
    message: str
    hint: str | Callable[..., str]  #: or what gives it, of the same values


def _asked_for(check: str, unless: Callable[..., bool]) -> Callable[..., Path | None]:
    """Finds a check that is asked for while the other values leave it nothing to look at."""

    def find(include: list[str] | None, *values: Any) -> Path | None:
        return ("checks", "include", include.index(check)) if include and check in include and unless(*values) else None

    return find


_INCLUDE: Path = ("checks", "include")
_KIND: Path = ("backend", "kind")
_METADATA: Path = ("metadata",)
_SIZE: Path = ("population", "size")
_REGION: Path = ("population", "region")
_SOURCE: Path = ("population", "from")
_CUSTODIAL = ("cic_eth", "cic_ussd")
_BY_PHONE = ("cic_ussd", "existing")


def _check(name: str, reads: tuple[Path, ...], unless: Callable[..., bool], lacks: str, hint: str) -> "Rule":
    """The rule that a check is only asked for where it has something to look at."""
    return Rule(
        (_INCLUDE, *reads), _asked_for(name, unless), f"the check `{name}` {lacks}", f"leave the check out, or {hint}"
    )


def _numbers(region: str) -> int:
    plan = mobile_numbers(region)
    return plan.size if plan else 0


def _metadata_check(name: str, kind: str) -> "Rule":
    return _check(
        name,
        (_METADATA,),
        lambda metadata: kind not in metadata,
        f"without `{kind}` in `metadata`",
        f"add {kind} to `metadata`",
    )


SCENARIO_RULES = (
    Rule(
        (_SIZE, _SOURCE),
        lambda size, source: ("population",) if size is None and source is None else None,
        "a population without `size`",
        "say how many people there are, or with `from` where they are",
    ),
    Rule(
        (_SIZE, _REGION, _SOURCE),
        lambda size, region, source: _SIZE if source is None and (size or 0) > _numbers(region) else None,
        "more people than the region has mobile phone numbers",
        lambda size, region, source: (
            f"{region} has {_numbers(region):,}: make `size` smaller, or choose another `region`"
        ),
    ),
    Rule(
        (_KIND, _SOURCE),
        lambda kind, source: _KIND if kind == "existing" and source is None else None,
        "the backend `existing` without `population.from`",
        "name the folder that the accounts are in, or choose eth, cic_eth or cic_ussd",
    ),
    Rule(
        (("gift", "threshold"), _KIND),
        lambda threshold, kind: ("gift", "threshold") if threshold and kind == "existing" else None,
        "a gift with the backend `existing`, which sends nothing",
        "set `gift.threshold` to 0, or choose another backend",
    ),
    Rule(
        (("gift", "method"), ("gift", "threshold")),
        lambda method, threshold: ("gift", "threshold") if method == "none" and threshold > 0 else None,
        "a gift threshold with `method: none`, which gives nothing",
        "set `gift.threshold` to 0, or choose transfer or mint",
    ),
    Rule(
        (("faucet",), _KIND),
        lambda faucet, kind: ("faucet",) if kind in _CUSTODIAL and not faucet else None,
        "`faucet: false` with a custodial backend, whose engine triggers the faucet by itself",
        "leave `faucet` out, or choose the backend eth",
    ),
    Rule(
        (("pins",), _KIND),
        lambda pins, kind: ("pins",) if pins is not None and kind not in _BY_PHONE else None,
        "PINs with a backend that makes no accounts in the phone interface",
        "leave `pins` out, or choose the backend cic_ussd",
    ),
    Rule(
        (("ussd_data",), _KIND),
        lambda wanted, kind: ("ussd_data",) if wanted and kind not in _BY_PHONE else None,
        "USSD data with a backend that makes no accounts in the phone interface",
        "leave `ussd_data` out, or choose the backend cic_ussd",
    ),
    _check("faucet", (("faucet",),), lambda faucet: not faucet, "with `faucet: false`", "let the faucet be triggered"),
    _check("gas", (("gas",), _KIND), lambda gas, kind: not gas and kind == "eth", "with `gas: 0`", "give people gas"),
    _check(
        "keystore",
        (("backend", "keystore", "kdf"), _KIND),
        lambda kdf, kind: kdf == "none" or kind != "eth",
        "where no keystore files are written",
        "choose the backend eth with the kdf light or standard",
    ),
    _check(
        "custodial_key",
        (_KIND,),
        lambda kind: kind not in _CUSTODIAL,
        "with a backend that is not custodial",
        "choose the backend cic_eth or cic_ussd",
    ),
    _check(
        "ussd",
        (_KIND, ("pins",), ("ussd_data",)),
        lambda kind, pins, data: kind != "cic_ussd" and not (kind == "existing" and pins and data),
        "where it is not known what the phone interface should show",
        "choose the backend cic_ussd, or set both `pins` and `ussd_data`",
    ),
    Rule(
        (("backend", "dialect"), ("population", "languages")),
        lambda dialect, languages: (
            ("population", "languages") if dialect == "2021" and not languages.keys() <= {"en", "sw"} else None
        ),
        "languages that the phone interface of 2021 does not offer",
        "it offers en and sw",
    ),
    _check("pins", (("pins",),), lambda pins: pins is None, "without `pins`", "add `pins` to the scenario"),
    _check("ussd_data", (("ussd_data",),), lambda wanted: not wanted, "without `ussd_data`", "set `ussd_data: true`"),
    _metadata_check("metadata", "person"),
    _metadata_check("metadata_preferences", "preferences"),
    _metadata_check("metadata_custom", "custom"),
    _check(
        "metadata_phone",
        (_METADATA, _KIND),
        lambda metadata, kind: "phone" not in metadata and kind != "cic_ussd",
        "without `phone` in `metadata`",
        "add phone to `metadata`",
    ),
)


def contradictions(rules: tuple[Rule, ...], document: Mapping, values: Any, wrong: set[Path]) -> Iterator[Diagnostic]:
    """What contradicts itself in the effective ``values``; rules that read what is ``wrong`` already are left out."""
    for rule in rules:
        if any(_touches(path, read) for path in wrong for read in rule.reads):
            continue
        try:
            read = [_value(values, path) for path in rule.reads]
        except KeyError:
            continue  # a required key that may be in a base file which cannot be read
        path = rule.find(*read)
        if path is not None:
            key = ".".join(str(part) for part in path if isinstance(part, str))
            hint = rule.hint if isinstance(rule.hint, str) else rule.hint(*read)
            yield written_at(document, path).diagnostic(Code.CONTRADICTION, rule.message, hint=hint, key=key)


def _touches(path: Path, read: Path) -> bool:
    shorter = min(len(path), len(read))
    return path[:shorter] == read[:shorter]


def _value(values: Any, path: Path) -> Any:
    for part in path:
        values = values[part]
    return values
