"""How the backends make accounts, with the clients of the services. Each module is imported when a run first uses it."""

from typing import TYPE_CHECKING

from cicscenario.capabilities.deferred import on_first_use

if TYPE_CHECKING:
    from cicscenario.backends.work import cic_eth as cic_eth
    from cicscenario.backends.work import cic_ussd as cic_ussd
    from cicscenario.backends.work import dialect as dialect
    from cicscenario.backends.work import eth as eth
    from cicscenario.backends.work import existing as existing
    from cicscenario.backends.work import joining as joining
    from cicscenario.backends.work import traffic as traffic
else:
    __getattr__ = on_first_use(__name__)
