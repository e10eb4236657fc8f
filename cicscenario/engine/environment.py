"""The environment of a run for reports: addresses of services, without secrets."""

from dataclasses import fields, is_dataclass
from typing import Any

from cicscenario.address import public
from cicscenario.chainspec import ChainSpec
from cicscenario.language import Environment, Secret

_LEFT_OUT = ("version", "path", "faults", "pace")


def shown_environment(environment: Environment) -> dict[str, str]:
    """The environment's values by dotted key, without secrets. Addresses are reduced to scheme, host and port, because
    the rest may hold a user name, password or API key.
    """
    return {key: text for key, text in _flat(environment, "") if key not in _LEFT_OUT}


def _flat(value: Any, above: str) -> list[tuple[str, str]]:
    found = []
    for field in fields(value):
        inner, key = getattr(value, field.name), f"{above}.{field.name}" if above else field.name
        if inner is None or isinstance(inner, Secret):
            continue
        if is_dataclass(inner) and not isinstance(inner, ChainSpec):
            found += _flat(inner, key)
        else:
            found.append((key, _text(inner)))
    return found


def _text(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    if "://" in text:
        return public(text)
    return "(not shown)" if "password" in text.lower() else text  # such as a libpq connection string
