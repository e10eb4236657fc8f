"""Checks: one file per verification. A new check is one file and one line here; outside packages use the entry point."""

from importlib.metadata import entry_points

from cicscenario.checks import (
    accounts_index,
    balance,
    custodial_key,
    faucet,
    gas,
    keystore,
    metadata,
    ussd,
    ussd_account,
)
from cicscenario.checks.base import Check

BUILT_IN: tuple[Check, ...] = (
    accounts_index.CHECK,
    gas.CHECK,
    faucet.CHECK,
    balance.CHECK,
    keystore.CHECK,
    custodial_key.CHECK,
    *metadata.CHECKS,
    ussd.CHECK,
    ussd_account.PINS,
    ussd_account.USSD_DATA,
)


def all_checks() -> tuple[Check, ...]:
    """Every known check, in the order of reports: the built-in ones, then those of the entry points ``cicscenario.checks``."""
    return BUILT_IN + tuple(point.load() for point in entry_points(group="cicscenario.checks"))
