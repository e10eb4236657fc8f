"""What is asked about each person at the end: one file for each check, and one line here.

These files declare, and are quick to load. What works with clients is in ``work``, and is imported when it is first used.
Those of other packages come by the entry points ``cicscenario.checks``.
"""

from functools import cache

from cicscenario.capabilities.check import Check
from cicscenario.capabilities.registry import registered
from cicscenario.checks import (
    accounts_index,
    balance,
    custodial_key,
    faucet,
    gas,
    keystore,
    metadata,
    pins,
    statement,
    traffic,
    ussd,
    ussd_data,
)
from cicscenario.metadata import all_kinds


@cache
def all_checks() -> tuple[Check, ...]:
    """Every known check, in the order of reports. Raises InvalidError for an invalid one of another package."""
    built_in = (
        accounts_index.CHECK,
        gas.CHECK,
        faucet.CHECK,
        traffic.CHECK,
        balance.CHECK,
        statement.CHECK,
        keystore.CHECK,
        custodial_key.CHECK,
        *map(metadata.check, all_kinds()),
        ussd.CHECK,
        pins.CHECK,
        ussd_data.CHECK,
    )
    return registered("checks", built_in, Check, lambda check: check.name)
