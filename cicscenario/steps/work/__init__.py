"""What the steps do, with the clients of the services. Each module is imported when a run first uses it."""

from typing import TYPE_CHECKING

from cicscenario.capabilities.deferred import on_first_use

if TYPE_CHECKING:
    from cicscenario.steps.work import gift as gift
    from cicscenario.steps.work import graph as graph
    from cicscenario.steps.work import keystore as keystore
    from cicscenario.steps.work import metadata as metadata
    from cicscenario.steps.work import pins as pins
    from cicscenario.steps.work import traffic as traffic
    from cicscenario.steps.work import ussd_data as ussd_data
else:
    __getattr__ = on_first_use(__name__)
