"""Puts the simulated runtime in the place of the real one in every module of the product, and takes it out again.

Only names of the product's own modules are changed, and what a caller names; libraries and the tests keep the real ones.
"""

import concurrent.futures
import importlib
import pkgutil
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

import cicscenario
from cicscenario.transport import cancellation
from tests.soak.primitives import (
    Event,
    Executor,
    Future,
    Lock,
    Queue,
    StopEvent,
    Threading,
    Time,
    as_completed,
    monotonic,
    wait,
)

Swaps = dict[int, Any]  #: replacements by the id of what they replace

_NOT_OURS = (
    "cicscenario.sandbox",
    "cicscenario.__main__",
    "cicscenario.cli",
    "cicscenario.report",
    "cicscenario.review",
)


def product_modules() -> list[ModuleType]:
    """Every module of the product, but for the sandbox, the commands and the reports."""
    found = [cicscenario]
    for info in pkgutil.walk_packages(cicscenario.__path__, "cicscenario."):
        if not info.name.startswith(_NOT_OURS):
            found.append(importlib.import_module(info.name))  # noqa: PERF401 -- imports, too
    return found


def runtime_swaps() -> Swaps:
    """The replacements of threads and time."""
    pairs: list[tuple[Any, Any]] = [
        (threading, Threading),
        (threading.Event, Event),
        (threading.Lock, Lock),
        (queue, Queue),
        (time, Time),
        (time.monotonic, monotonic),
        (cancellation.StopEvent, StopEvent),
        (concurrent.futures.ThreadPoolExecutor, Executor),
        (concurrent.futures.Future, Future),
        (concurrent.futures.wait, wait),
        (concurrent.futures.as_completed, as_completed),
    ]
    return {id(old): new for old, new in pairs}


@contextmanager
def installed(*more: tuple[Any, Any], methods: Sequence[tuple[Any, str, Any]] = ()) -> Iterator[None]:
    """The product runs with simulated threads and time in the block.

    ``more`` are pairs of what and its replacement; ``methods`` are replaced in their classes or modules.
    """
    modules = product_modules()
    swaps = runtime_swaps() | {id(old): new for old, new in more}
    undo: list[Callable[[], None]] = []
    try:
        for module in modules:
            _swap_names(module, swaps, undo)
            for function in _functions(module):
                _swap_defaults(function, swaps, undo)
        for owner, name, method in methods:
            old = vars(owner)[name]
            undo.append(partial(setattr, owner, name, old))
            setattr(owner, name, method)
        yield
    finally:
        for step in reversed(undo):
            step()


def _swap_names(module: ModuleType, swaps: Swaps, undo: list[Callable[[], None]]) -> None:
    for name, value in list(vars(module).items()):
        if id(value) in swaps and not name.startswith("__"):
            undo.append(partial(setattr, module, name, value))
            setattr(module, name, swaps[id(value)])


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        for found in (value, *(vars(value).values() if isinstance(value, type) else ())):
            if isinstance(found, FunctionType):
                yield found


def _swap_defaults(function: FunctionType, swaps: Swaps, undo: list[Callable[[], None]]) -> None:
    """Defaults of parameters, such as ``clock=time.monotonic``, were bound when the module was loaded."""
    plain, named = function.__defaults__, function.__kwdefaults__
    if plain and any(id(value) in swaps for value in plain):
        undo.append(lambda: setattr(function, "__defaults__", plain))
        function.__defaults__ = tuple(swaps.get(id(value), value) for value in plain)
    if named and any(id(value) in swaps for value in named.values()):
        undo.append(lambda: setattr(function, "__kwdefaults__", named))
        function.__kwdefaults__ = {name: swaps.get(id(value), value) for name, value in named.items()}
