"""Steps: one executor per file. A new step is one file and one line here; outside packages use the entry point."""

from importlib.metadata import entry_points

from cicscenario.steps import accounts, keystore, metadata, phone, population, transactions, waiting
from cicscenario.steps.base import Step

BUILT_IN: tuple[Step, ...] = (
    population.STEP,
    *accounts.STEPS,
    transactions.REGISTRATION,
    waiting.REGISTRATION,
    transactions.GIFT,
    transactions.FAUCET,
    transactions.GAS,
    waiting.GAS,
    waiting.FAUCET,
    keystore.STEP,
    *metadata.STEPS,
    phone.PINS,
    phone.USSD_DATA,
)


def all_steps() -> tuple[Step, ...]:
    """Every known step in the order of a run: the built-in ones, then those of the entry points ``cicscenario.steps``."""
    return BUILT_IN + tuple(point.load() for point in entry_points(group="cicscenario.steps"))
