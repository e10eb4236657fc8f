"""Fees of an environment file that are valid each, but not together."""

from collections.abc import Iterator
from typing import Any

from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.nodes import Mapping, written_at

_CHAIN = "chain"
_LEGACY, _MOST, _PRIORITY = "gas_price", "max_fee_per_gas", "max_priority_fee_per_gas"


def contradictory_fees(document: Mapping, values: dict[str, Any]) -> Iterator[Diagnostic]:
    """An error for each fee of EIP-1559 that cannot be paid, because of another key of ``chain``."""
    chain = values.get(_CHAIN)
    fees = {key: _wei(chain, key) for key in (_LEGACY, _MOST, _PRIORITY)}
    dynamic = [key for key in (_MOST, _PRIORITY) if fees[key] is not None]
    if fees[_LEGACY] is not None:
        for key in dynamic:
            yield _error(
                document,
                key,
                f"`{_CHAIN}.{key}` is for transactions of EIP-1559, and `{_CHAIN}.{_LEGACY}` makes them legacy ones",
                f"one of the two keys: leave out `{_LEGACY}`, or `{key}`",
            )
        return
    most, priority = fees[_MOST], fees[_PRIORITY]
    if most is not None and priority is not None and priority > most:
        yield _error(
            document,
            _PRIORITY,
            f"`{_CHAIN}.{_PRIORITY}` is {priority:,} wei, more than `{_CHAIN}.{_MOST}`, which is {most:,} wei",
            f"at most {most:,}: the priority fee is a part of the maximum fee",
        )


def _error(document: Mapping, key: str, message: str, expected: str) -> Diagnostic:
    span = written_at(document, (_CHAIN, key))
    return span.diagnostic(Code.CONTRADICTION, message, expected=expected, key=f"{_CHAIN}.{key}")


def _wei(chain: Any, key: str) -> int | None:
    """The fee at a key; None when there is none, or none that is valid."""
    found = chain.get(key) if isinstance(chain, dict) else None
    return found if type(found) is int else None
