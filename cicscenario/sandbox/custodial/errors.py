"""Exceptions that clients see in a task's result, with the module names that they have in cic-eth."""

import sys
import types


def _exception_class(module: str, name: str, base: type[Exception] = Exception) -> type[Exception]:
    """An exception class ``name`` that seems to come from ``module``: Celery writes both names into the result.

    Celery imports the module when it pickles the exception, so an empty module of that name is added to ``sys.modules``.
    """
    for part in (module.partition(".")[0], module):
        owner = sys.modules.setdefault(part, types.ModuleType(part))
    made = type(name, (base,), {"__module__": module})
    setattr(owner, name, made)
    return made


LockedError = _exception_class("cic_eth.error", "LockedError")
IntegrityError = _exception_class("cic_eth.error", "IntegrityError")
OutOfGasError = _exception_class("cic_eth.error", "OutOfGasError")
TrustError = _exception_class("cic_eth.error", "TrustError")
#: After this one, the engine's worker shuts itself down.
SeppukuError = _exception_class("cic_eth.error", "SeppukuError")
RPCException = _exception_class("chainlib.error", "RPCException")
JSONRPCException = _exception_class("chainlib.error", "JSONRPCException", RPCException)
UnknownContractError = _exception_class("cic_eth_registry.error", "UnknownContractError")

#: The error text of cic-eth 0.12 when its signer is not running.
SIGNER_IS_DOWN = "URLError(ConnectionRefusedError(111, 'Connection refused'))"
