"""How people get their accounts: one file for each backend, and one line here.

These files declare, and are quick to load. What works with clients is in ``work``, and is imported when it is first used.
Those of other packages come by the entry points ``cicscenario.backends``.
"""

from functools import cache

from cicscenario.backends import cic_eth, cic_ussd, eth, existing
from cicscenario.capabilities.descriptor import BackendDescriptor
from cicscenario.capabilities.registry import registered

BUILT_IN = (eth.BACKEND, cic_eth.BACKEND, cic_ussd.BACKEND, existing.BACKEND)


@cache
def all_backends() -> tuple[BackendDescriptor, ...]:
    """Every known backend; the first is the default. Raises InvalidError for an invalid one of another package."""
    return registered("backends", BUILT_IN, BackendDescriptor, lambda backend: backend.kind)
