"""Backends: one file per way in which accounts come to be, named by ``backend.kind``. A new one is a file and a line here."""

from collections.abc import Callable, Mapping

from cicscenario.backends.base import Backend, BackendContext
from cicscenario.backends.cic_eth import CicEthBackend
from cicscenario.backends.cic_ussd import CicUssdBackend
from cicscenario.backends.eth import EthBackend
from cicscenario.backends.existing import ExistingBackend

BACKENDS: Mapping[str, Callable[[BackendContext], Backend]] = {
    "eth": EthBackend,
    "cic_eth": CicEthBackend,
    "cic_ussd": CicUssdBackend,
    "existing": ExistingBackend,
}


def open_backend(context: BackendContext) -> Backend:
    """The backend that the scenario names."""
    return BACKENDS[context.scenario.backend.kind](context)
