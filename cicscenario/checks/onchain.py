"""What checks of the chain have in common: one call for each person, and a second look at those who seem to lack something.

Behind one address there may be several nodes, and one of them may not have the newest blocks yet. So a problem counts only
when a node reports it that has every block in which a transaction of the run is.
"""

import time
from collections.abc import Callable, Sequence

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.chain.reading import numbers
from cicscenario.chain.rpc import Call
from cicscenario.errors import UnavailableError
from cicscenario.people.person import Person
from cicscenario.retry import pause

_LAG = 30.0  # seconds to wait for a node that lags
_PAUSE = 0.5  # seconds between looks


def by_calls(
    context: RunContext, ask: Callable[[Person], Call], problem: Callable[[Person, int], str | None]
) -> Verifier:
    """A verifier that makes one call for each person; ``problem`` says what is wrong with the number that it gives."""
    rpc = context.services.chain.rpc

    def found(people: Sequence[Person], given: Sequence[int]) -> dict[int, str]:
        said = [(person.id, problem(person, number)) for person, number in zip(people, given, strict=True)]
        return {person: what for person, what in said if what is not None}

    def verify(people: Sequence[Person]) -> dict[int, str]:
        problems = found(people, numbers(rpc, [ask(person) for person in people]))
        return second_look([person for person in people if person.id in problems]) if problems else {}

    def second_look(people: Sequence[Person]) -> dict[int, str]:
        began = time.monotonic()
        known = max(context.services.chain.height, context.state.height())
        while True:
            # In one request, so that one node answers all of it.
            newest, *given = numbers(rpc, [("eth_blockNumber", []), *map(ask, people)])
            problems = found(people, given)
            if not problems or newest >= known:
                return problems
            if time.monotonic() - began >= _LAG:
                raise UnavailableError(
                    f"{rpc.name} is at block {newest}, but this run has seen block {known}; so what it says about"
                    f" {len(problems)} people, such as person {min(problems)}, is not their state",
                    hint="a node that lags behind may be the cause: run the same command again when it has caught up",
                )
            pause(_PAUSE, context.stopping)

    return verify
