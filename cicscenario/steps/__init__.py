"""What is done for each person: one file for each step, and one line here.

These files declare, and are quick to load. What works with clients is in ``work``, and is imported when it is first used.
Those of other packages come by the entry points ``cicscenario.steps``.
"""

from functools import cache

from cicscenario.capabilities.registry import registered
from cicscenario.capabilities.step import Step
from cicscenario.metadata import all_kinds
from cicscenario.steps import (
    accounts,
    faucet,
    gas,
    gift,
    keystore,
    metadata,
    pins,
    population,
    registration,
    traffic,
    ussd_data,
)


@cache
def all_steps() -> tuple[Step, ...]:
    """Every known step, in the order of plans. Raises InvalidError for an invalid one of another package."""
    built_in = (
        population.STEP,
        accounts.STEP,
        registration.STEP,
        gift.STEP,
        faucet.STEP,
        gas.STEP,
        keystore.STEP,
        *map(metadata.step, all_kinds()),
        pins.STEP,
        ussd_data.STEP,
        traffic.STEP,
    )
    return registered("steps", built_in, Step, lambda step: step.name)
