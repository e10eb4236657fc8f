"""How the checks ask the services. Each module is imported when a verification first uses it."""

from typing import TYPE_CHECKING

from cicscenario.capabilities.deferred import on_first_use

if TYPE_CHECKING:
    from cicscenario.checks.work import account_table as account_table
    from cicscenario.checks.work import accounts_index as accounts_index
    from cicscenario.checks.work import arrival as arrival
    from cicscenario.checks.work import balance as balance
    from cicscenario.checks.work import custodial_key as custodial_key
    from cicscenario.checks.work import faucet as faucet
    from cicscenario.checks.work import gas as gas
    from cicscenario.checks.work import metadata as metadata
    from cicscenario.checks.work import pins as pins
    from cicscenario.checks.work import sent as sent
    from cicscenario.checks.work import statement as statement
    from cicscenario.checks.work import traffic as traffic
    from cicscenario.checks.work import ussd as ussd
    from cicscenario.checks.work import ussd_data as ussd_data
else:
    __getattr__ = on_first_use(__name__)
