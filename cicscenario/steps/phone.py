"""The steps that write into the phone interface's account table: PINs, and what the old tools call USSD data."""

from collections.abc import Collection

from cicscenario.connections import Service
from cicscenario.people.pins import PinHasher, Pins
from cicscenario.services.accounts import AccountStatus
from cicscenario.state.store import Outcome
from cicscenario.steps.base import Batch, Context, Executor, Lane, Result, Step


def pins_of(context: Context) -> Pins:
    """Everybody's PIN in this scenario."""
    scenario = context.scenario
    assert scenario.pins is not None  # the step applies only then
    return Pins(scenario.population.seed, scenario.pins.fixed or ())


def _write_pins(context: Context) -> Executor:
    wanted = context.scenario.pins
    assert wanted is not None
    pins = pins_of(context)
    hasher = PinHasher(wanted.scheme, cost=wanted.cost, pepper=context.services.pepper)

    def run(batch: Batch) -> Result:
        hashes = hasher.hash_many(pins.pin(person.id) for person in batch.people)
        rows = [(person.phone, made) for person, made in zip(batch.people, hashes, strict=True)]
        return _result(batch, context.services.accounts.set_pins(rows))

    return run


def _write_ussd_data(context: Context) -> Executor:
    def run(batch: Batch) -> Result:
        rows = [(person.phone, AccountStatus.ACTIVE, person.language) for person in batch.people]
        return _result(batch, context.services.accounts.set_ussd_data(rows))

    return run


def _result(batch: Batch, unknown: Collection[str]) -> Result:
    """A phone number that the table does not have is that person's error."""
    missing = set(unknown)
    return Result(
        [
            Outcome(person.id, ok=False, detail=f"the account table has no phone number {person.phone}")
            if person.phone in missing
            else Outcome(person.id, ok=True)
            for person in batch.people
        ]
    )


PINS = Step(
    name="pins",
    lane=Lane.SERVICE,
    after=("accounts",),
    applies=lambda scenario: scenario.pins is not None,
    executor=_write_pins,
    summary="write everybody's PIN hash",
    services=(Service.ACCOUNTS,),
)
USSD_DATA = Step(
    name="ussd_data",
    lane=Lane.SERVICE,
    after=("accounts",),
    applies=lambda scenario: scenario.ussd_data,
    executor=_write_ussd_data,
    summary="write everybody's status and language",
    services=(Service.ACCOUNTS,),
)
