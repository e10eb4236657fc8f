"""What checks of the chain have in common: one call for each person, and a second look at those who seem to lack something.

Behind one address there may be several nodes, and one of them may not have the newest blocks yet. So a problem counts only
when a node reports it that has every block in which a transaction of the run is.
"""

from collections.abc import Callable, Sequence

from cicscenario.capabilities.context import RunContext, Verifier, seen_height
from cicscenario.chain.reading import as_numbers, numbers, up_to_date
from cicscenario.chain.rpc import Call
from cicscenario.people.person import Person


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
        calls = [ask(person) for person in people]
        chain = context.services.chain
        answers = up_to_date(rpc, calls, lambda: seen_height(chain, context.state), context.stopping)
        return found(people, as_numbers(rpc, calls, answers))

    return verify
