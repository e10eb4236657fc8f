"""Combinations that each value allows and that cannot hold together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.nodes import Mapping, written_at
from cicscenario.language.schema import Path


@dataclass(frozen=True)
class Rule:
    """A contradiction: it reads the values at ``reads``, and ``find`` gives the path to blame, or None when all is well."""

    reads: tuple[Path, ...]
    find: Callable[..., Path | None]
    message: str
    hint: str


def _asked_for(check: str, unless: Callable[[Any], bool]) -> Callable[[Any, Any], Path | None]:
    """Finds a check that is asked for while the other value leaves it nothing to look at."""

    def find(include: list[str] | None, value: Any) -> Path | None:
        return ("checks", "include", include.index(check)) if include and check in include and unless(value) else None

    return find


SCENARIO_RULES = (
    Rule(
        (("checks", "include"), ("faucet",)),
        _asked_for("faucet", lambda faucet: not faucet),
        "the check `faucet` with `faucet: false`",
        "leave the check out, or let the faucet be triggered",
    ),
    Rule(
        (("checks", "include"), ("gas",)),
        _asked_for("gas", lambda gas: gas == 0),
        "the check `gas` with `gas: 0`",
        "leave the check out, or give people gas",
    ),
    Rule(
        (("checks", "include"), ("backend", "keystore", "kdf")),
        _asked_for("keystore", lambda kdf: kdf == "none"),
        "the check `keystore` with `kdf: none`, which writes no keystore files",
        "leave the check out, or choose light or standard",
    ),
    Rule(
        (("gift", "method"), ("gift", "threshold")),
        lambda method, threshold: ("gift", "threshold") if method == "none" and threshold > 0 else None,
        "a gift threshold with `method: none`, which gives nothing",
        "set `gift.threshold` to 0, or choose transfer or mint",
    ),
)


def contradictions(rules: tuple[Rule, ...], document: Mapping, values: Any, wrong: set[Path]) -> Iterator[Diagnostic]:
    """What contradicts itself in the effective ``values``; rules that read what is ``wrong`` already are left out."""
    for rule in rules:
        if any(_touches(path, read) for path in wrong for read in rule.reads):
            continue
        path = rule.find(*(_value(values, read) for read in rule.reads))
        if path is not None:
            key = ".".join(str(part) for part in path if isinstance(part, str))
            yield written_at(document, path).diagnostic(Code.CONTRADICTION, rule.message, hint=rule.hint, key=key)


def _touches(path: Path, read: Path) -> bool:
    shorter = min(len(path), len(read))
    return path[:shorter] == read[:shorter]


def _value(values: Any, path: Path) -> Any:
    for part in path:
        values = values[part]
    return values
