"""The exceptions that clients see in a task's result, under the names of the modules that cic-eth raises them from."""

import sys
import types


def _named(module: str, name: str) -> type[Exception]:
    """An exception class that pickles by the module's real name: Celery writes both into the result."""
    for part in (module.partition(".")[0], module):
        home = sys.modules.setdefault(part, types.ModuleType(part))
    made = type(name, (Exception,), {"__module__": module})
    setattr(home, name, made)
    return made


LockedError = _named("cic_eth.error", "LockedError")
IntegrityError = _named("cic_eth.error", "IntegrityError")
RPCException = _named("chainlib.error", "RPCException")
UnknownContractError = _named("cic_eth_registry.error", "UnknownContractError")

#: What cic-eth 0.12 says when nobody listens at its signer's address.
SIGNER_IS_DOWN = "URLError(ConnectionRefusedError(111, 'Connection refused'))"
