"""Connections to PostgreSQL that have each statement read and planned once.

PostgreSQL takes more time to read and plan a statement than to carry it out. Here a statement with parameters is prepared when it
is first executed, and planned once for all values. So its plan must not depend on how large a table is at that moment: indexes
are used whenever there is one.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from psycopg2.extensions import connection, cursor

from cicscenario.transport import libpq

_PLANS = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
_PARAMETER = re.compile(r"%(?:\((\w+)\))?s")

Values = Sequence[Any] | Mapping[str, Any]


class PreparingCursor(cursor):
    """Executes single statements that have parameters as prepared ones.

    The type of a parameter must follow from the statement. Several statements, with semicolons, are executed as they are.
    """

    def execute(self, query: Any, vars: Values | None = None) -> None:
        if not vars or not isinstance(query, str) or ";" in query:
            super().execute(query, vars)
            return
        known: dict[str, str] = self.connection.prepared  # type: ignore[attr-defined]  # it is a PreparingConnection
        text, names = numbered(query)
        if query not in known:
            super().execute(f"PREPARE {(name := f'statement_{len(known)}')} AS {text}")
            places = ", ".join(["%s"] * (len(names) or len(vars)))
            known[query] = f"EXECUTE {name} ({places})"
        super().execute(known[query], [vars[name] for name in names] if isinstance(vars, Mapping) else vars)


class PreparingConnection(connection):
    """``prepared`` has how each statement that the server knows is executed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.prepared: dict[str, str] = {}

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        return super().cursor(*arguments, **{"cursor_factory": PreparingCursor} | options)


def connect(**parameters: Any) -> Any:
    """A new connection that commits each statement. The parameters are libpq's. Raises psycopg2.Error."""
    made = libpq.connect(connection_factory=PreparingConnection, options=_PLANS, **parameters)
    made.autocommit = True
    return made


@lru_cache(256)
def numbered(query: str) -> tuple[str, tuple[str, ...]]:
    """The statement with numbered parameters, and the names of these in their order; no names when they have none."""
    names: dict[str, str] = {}
    count = itertools.count(1)

    def number(found: re.Match[str]) -> str:
        if (name := found[1]) is None:
            return f"${next(count)}"
        return names.setdefault(name, f"${len(names) + 1}")

    return _PARAMETER.sub(number, query), tuple(names)
