"""Packages whose modules are imported when they are first used, so that what refers to them is quick to load.

Every command loads the declarations, and few need what they declare: a step's ``work`` imports the clients of its services.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def on_first_use(package: str) -> Callable[[str], ModuleType]:
    """The ``__getattr__`` (PEP 562) of a package: it imports the module that is asked for.

    The package imports the same modules under ``TYPE_CHECKING``, so that a wrong name is an error of the type checker.
    """

    def module(name: str) -> ModuleType:
        path = f"{package}.{name}"
        if name.startswith("__") or find_spec(path) is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        return import_module(path)

    return module
