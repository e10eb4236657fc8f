"""The stacks of a pytest session: one for each scenario with its options, made when a test first asks for it."""

import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import pytest

from cicscenario.api.scenario import Overrides, load
from cicscenario.errors import CicScenarioError, as_told, in_lines
from cicscenario.sandbox import stack as sandbox
from cicscenario.sandbox.guard import end_with_this_process
from cicscenario.testing.filling import Filling, StackOptions
from cicscenario.testing.shelf import Shelf
from cicscenario.testing.stack import Stack


class Stacks:
    """Gives stacks when it is called. One that is asked for again is the same one.

    ``root`` is what paths are relative to, ``cache`` the folder for snapshots (None: there are none), ``new_home`` makes an empty
    folder, and ``tell`` says a line to the user.
    """

    def __init__(
        self, root: Path, cache: Path | None, new_home: Callable[[], Path], tell: Callable[[str], None]
    ) -> None:
        self._root = root
        self._shelf = Shelf(cache) if cache else None
        self._new_home = new_home
        self._tell = tell
        self._homes: list[Path] = []
        self._made: dict[tuple[Any, ...], Stack | str] = {}  # a text is the error that it ended with

    def __call__(
        self,
        scenario: str | PathLike[str],
        set: Overrides = (),
        *,
        services: Sequence[str] = (),
        node: str | None = None,
        contracts: str | None = None,
        pace: str | None = None,
    ) -> Stack:
        """The stack that this scenario fills, with the values of ``set`` in the place of its own.

        It has the services that the scenario needs, and ``services``. ``node`` is embedded or anvil, ``contracts`` classic or
        latest, ``pace`` fast or real. The test fails, with what is wrong and what to do, when the scenario is not valid or the
        stack cannot be filled.
        """
        path = self._root / scenario
        given = tuple(set.items() if hasattr(set, "items") else set)
        options = StackOptions(tuple(services), node, contracts, pace)
        key = (path, repr(given), replace(options, services=tuple(sorted(services))))
        if key not in self._made:
            self._made[key] = self._new(path, set, options)
        found = self._made[key]
        if isinstance(found, str):
            pytest.fail(found, pytrace=False)
        return found

    def close(self) -> None:
        """Ends all stacks, and deletes their data."""
        for made in self._made.values():
            if isinstance(made, Stack):
                made.close()
        for home in self._homes:
            sandbox.down(home, purge=True)
            shutil.rmtree(home, ignore_errors=True)

    def _new(self, path: Path, overrides: Overrides, options: StackOptions) -> Stack | str:
        """The stack, or the error in words: who asks for it again is told the same at once."""
        with _no_warnings():
            try:
                home = self._new_home().absolute()
                end_with_this_process(home)
                scenario = load(
                    path,
                    overrides,
                    environment="sandbox",
                    home=home,
                    node=options.node,
                    contracts=options.contracts,
                    pace=options.pace,
                    keep=True,
                )
                self._homes.append(home)
                return Filling(scenario, home, options, self._tell).stack(self._shelf)
            except (CicScenarioError, OSError) as error:
                told = as_told(error)
                if told is None:
                    raise
                return "\n".join([f"there is no stack of {path}", *in_lines(told)])


@contextmanager
def _no_warnings() -> Any:
    """Warnings of libraries are not the tests' own, which may make errors of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
