"""Compares the PIN hashes in the phone interface's account table with the people's PINs."""

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.pinsource import pin_source
from cicscenario.checks.work.account_table import each_row
from cicscenario.people.person import Person
from cicscenario.people.pins import scheme_of, verify
from cicscenario.retry import pause
from cicscenario.services.accounts import AccountRow


def verifier(context: RunContext, sample: int) -> Verifier:
    """Looks at the form of each hash, and verifies one in ``sample``; a hash that the scenario brings is compared."""
    wanted = context.scenario.pins
    assert wanted is not None  # otherwise the check does not apply
    source = pin_source(context.scenario, context.population, context.hashes)
    pepper = context.services.pepper

    def look(person: Person, row: AccountRow) -> str | None:
        if row.password_hash is None:
            return "has no PIN"
        if scheme_of(row.password_hash) != wanted.scheme:
            return f"the PIN's hash is not of the scheme {wanted.scheme}"
        if source.hashed is not None:
            return None if row.password_hash == source.hashed(person) else "the PIN's hash is not that of the list"
        if person.id % sample:
            return None
        pause(0, context.stopping)  # verifying is slow
        pin = source.pin(person)
        if pin is None or not verify(row.password_hash, pin, pepper):
            return "the PIN's hash does not match the PIN"
        return None

    return each_row(context, look)
