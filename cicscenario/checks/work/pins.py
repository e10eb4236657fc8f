"""Compares the PIN hashes in the phone interface's account table with the people's PINs."""

from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.checks.work.account_table import each_row
from cicscenario.people.person import Person
from cicscenario.people.pins import Pins, scheme_of, verify
from cicscenario.retry import pause
from cicscenario.services.accounts import AccountRow


def verifier(context: RunContext, sample: int) -> Verifier:
    """Looks at the form of each hash, and verifies one in ``sample``."""
    wanted = context.scenario.pins
    assert wanted is not None  # otherwise the check does not apply
    pins = Pins(context.scenario.population.seed, wanted.fixed or ())
    pepper = context.services.pepper

    def look(person: Person, row: AccountRow) -> str | None:
        if row.password_hash is None:
            return "has no PIN"
        if scheme_of(row.password_hash) != wanted.scheme:
            return f"the PIN's hash is not of the scheme {wanted.scheme}"
        if person.id % sample:
            return None
        pause(0, context.stopping)  # verifying is slow
        if not verify(row.password_hash, pins.pin(person.id), pepper):
            return "the PIN's hash does not match the PIN"
        return None

    return each_row(context, look)
