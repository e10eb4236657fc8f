"""Loads modules without looking for garbage meanwhile.

Modules are kept, and make few objects that are not. Python looks through them again and again while they are loaded, which
takes a fifth of the time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType


@contextmanager
def loading() -> Iterator[None]:
    """No garbage is looked for in the block. Afterwards it is as it was before."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def loaded(name: str) -> ModuleType:
    """The module with this name."""
    with loading():
        return import_module(name)
