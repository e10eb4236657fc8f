"""The check pins: the phone interface's account table has the hash of the person's PIN."""

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.context import RunContext, Verifier
from cicscenario.capabilities.remedy import repeated
from cicscenario.checks.account_table import each_row
from cicscenario.connections import Service
from cicscenario.language import Condition
from cicscenario.people.person import Person
from cicscenario.people.pins import Pins, scheme_of, verify
from cicscenario.retry import pause
from cicscenario.services.accounts import AccountRow

_SAMPLE = 20  # one PIN in this many is verified against its hash, because that is as slow as hashing


def _verifier(context: RunContext, sample: int = _SAMPLE) -> Verifier:
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


CHECK = Check(
    "pins",
    "the account table has a hash of the person's PIN",
    (Condition(lambda s: s.pins is not None, ("pins",), "without `pins`", "add `pins` to the scenario"),),
    _verifier,
    (Service.ACCOUNTS,),
    lambda context: f"one PIN in {_SAMPLE} was verified against its hash; for the others, the form of the hash was",
    remedy=repeated("pins", "the hash of the scenario's PIN is written again"),
    thorough=lambda context: _verifier(context, 1),
)
