"""Lists declarations: the built-in ones first, then those that installed packages provide by entry points."""

from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any, TypeVar

from cicscenario.errors import InvalidError

T = TypeVar("T")


def registered(group: str, built_in: Iterable[T], kind: type[T], name: Callable[[T], str]) -> tuple[T, ...]:
    """The built-in declarations, then those of the entry points ``cicscenario.<group>``, in the order of their names.

    An entry point must load one declaration of the type ``kind``. Raises InvalidError, naming the package, when one cannot
    be loaded, has another type, or has a ``name`` that another declaration has.
    """
    found = list(built_in)
    taken = {name(one): "cicscenario itself" for one in found}
    for point in sorted(entry_points(group=f"cicscenario.{group}"), key=lambda point: point.name):
        one = _load(point, kind)
        package = _package(point)
        if name(one) in taken:
            raise InvalidError(
                f"the package {package} provides `{name(one)}` in {point.group}, but {taken[name(one)]} has that name already",
                hint=f"uninstall one of the two: pip uninstall {package}",
            )
        taken[name(one)] = f"the package {package}"
        found.append(one)
    return tuple(found)


def entry_points(group: str) -> EntryPoints:
    """Those that installed packages provide in a group. All groups are read at once, since each look reads every package."""
    found: EntryPoints = _installed().select(group=group)
    return found


@cache
def _installed() -> Any:  # another type in each version of Python; every one has ``select``
    return metadata.entry_points()


def _load(point: EntryPoint, kind: type[T]) -> T:
    try:
        one = point.load()
    except Exception as error:  # an outside package may raise anything; the user gets one line with its name
        raise _bad(point, f"cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(one, kind):
        raise _bad(point, f"is a {type(one).__name__}, expected a {kind.__module__}.{kind.__name__}")
    return one


def _bad(point: EntryPoint, what: str) -> InvalidError:
    package = _package(point)
    return InvalidError(
        f"the package {package}: {point.value}, its entry point `{point.name}` in {point.group}, {what}",
        hint=f"fix or uninstall it: pip uninstall {package}",
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value.partition(":")[0].partition(".")[0]
