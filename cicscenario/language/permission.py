"""The word that an environment file needs before people and money go to a public network."""

from collections.abc import Iterator
from typing import Any

from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.nodes import Mapping, written_at
from cicscenario.language.publicnetworks import public_network

_KEY = "public_network"
_SPECS = (("chain", "spec"), ("spec",))


def unpermitted(document: Mapping, values: dict[str, Any]) -> Iterator[Diagnostic]:
    """An error for each chain spec of a public network that ``public_network`` does not name, and for one that it names in vain.

    The key holds the chain id and not ``true``, so that a file that is copied for another network asks again.
    """
    word = values.get(_KEY)
    for path in _SPECS:
        chain = _chain(values, path)
        if chain is None or chain == word:
            continue
        if word is not None:
            yield written_at(document, (_KEY,)).diagnostic(
                Code.PUBLIC_NETWORK,
                f"`{_KEY}` is {word}, and the chain is {chain}",
                expected=f"{chain}, or to leave it out for a chain of your own",
                key=_KEY,
            )
        elif name := public_network(chain):
            yield written_at(document, path).diagnostic(
                Code.PUBLIC_NETWORK,
                f"chain {chain} is a public network, {name}: what is sent there costs money and stays",
                expected=f"`{_KEY}: {chain}` in this file, if that is meant",
                hint=f"a chain of your own that has this number by chance needs `{_KEY}`, too",
                key=_KEY,
            )


def _chain(values: dict[str, Any], path: tuple[str, ...]) -> int | None:
    """The chain id of the spec at a path; None when there is none, or none that is valid."""
    found: Any = values
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    try:
        return ChainSpec.parse(found).network_id if isinstance(found, str) else None
    except InvalidError:
        return None
