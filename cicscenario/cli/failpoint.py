"""The environment variable that ends the process at a named point, for tests of crashes."""

import os
import pkgutil
from importlib import import_module

import cicscenario
from cicscenario.boundaries import FAILPOINT, declared, kill_at


def prepare_failpoint() -> None:
    """Prepares the end of this process if the variable is set. Raises InvalidError when it names no point."""
    if text := os.environ.get(FAILPOINT):
        names()
        kill_at(text)


def names() -> tuple[str, ...]:
    """The names of all boundaries that the package declares, sorted. Imports all its modules but the sandbox's."""
    for module in pkgutil.walk_packages(cicscenario.__path__, f"{cicscenario.__name__}."):
        if not module.name.startswith((f"{cicscenario.__name__}.sandbox", f"{cicscenario.__name__}.__main__")):
            import_module(module.name)
    return declared()
