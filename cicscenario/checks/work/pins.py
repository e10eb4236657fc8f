"""Compares the PIN hashes in the phone interface's account table with the people's PINs."""

from collections.abc import Sequence

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.labour import labour
from cicscenario.capabilities.pinsource import pin_source
from cicscenario.checks.work.account_table import each_row
from cicscenario.people.person import Person
from cicscenario.people.pins import scheme_of
from cicscenario.services.accounts import AccountRow
from cicscenario.workers.kinds import PINS

_OTHER = "the PIN's hash does not match the PIN"


def verifier(context: RunContext, sample: int) -> Verifier:
    """Looks at the form of each hash, and verifies one in ``sample``; a hash that the scenario brings is compared."""
    wanted = context.scenario.pins
    assert wanted is not None  # otherwise the check does not apply
    source = pin_source(context.scenario, context.population, context.hashes)
    common = {"scheme": wanted.scheme, "cost": wanted.cost, "pepper": context.services.pepper}

    def look(person: Person, row: AccountRow) -> str | None:
        if row.password_hash is None:
            return "has no PIN"
        if scheme_of(row.password_hash) != wanted.scheme:
            return f"the PIN's hash is not of the scheme {wanted.scheme}"
        if source.hashed is not None and row.password_hash != source.hashed(person):
            return "the PIN's hash is not that of the list"
        return None

    def closely(rows: Sequence[tuple[Person, AccountRow]]) -> dict[int, str]:
        """Verifies PINs against hashes of the right form, which is slow."""
        if source.hashed is not None:
            return {}
        sampled = [(person, row.password_hash, source.pin(person)) for person, row in rows if not person.id % sample]
        wrong = {person.id for person, _, pin in sampled if pin is None}
        asked = [(person.id, [hashed, pin]) for person, hashed, pin in sampled if pin is not None]
        for index, fits in labour(context, None, PINS, common, [item for _, item in asked]):
            if not fits:
                wrong.add(asked[index][0])
        return dict.fromkeys(sorted(wrong), _OTHER)

    return each_row(context, look, closely)
