"""Finds the home folder, which has the runs and the sandbox: one for a project, from each of its folders."""

import os
from collections.abc import Iterator
from pathlib import Path

from cicscenario.files import checkout_of, own_folder

HOME = "CICSCENARIO_HOME"  #: environment variable: the home folder
_NAME = ".cicscenario"
_OURS = ("runs", "sandbox", "sandbox.restored", "sandbox.unpacking", "snapshots")  # what commands make in it


def home() -> Path:
    """``CICSCENARIO_HOME``; else the nearest ``.cicscenario`` from the current folder upwards, to the top of its git checkout.

    If there is none, its place is at that top, or without a checkout in the current folder. What another user owns does not
    count, nor, below the user's own folder, what is in that or above it: these are no project.
    """
    if named := os.environ.get(HOME):
        return Path(named).absolute()
    here = Path.cwd()
    for folder in _project(here):
        if _is_ours(folder / _NAME):
            return folder / _NAME
    return (checkout_of(here) or here) / _NAME


def _project(here: Path) -> Iterator[Path]:
    """The folders from ``here`` upwards that may belong to the same project."""
    yield here
    top, own = checkout_of(here), Path(os.path.expanduser("~"))  # noqa: PTH111 (Path.home() raises for a user without one)
    for folder in here.parents:
        outside = not folder.is_relative_to(top) if top else own.is_relative_to(folder)
        if outside:
            return
        yield folder


def _is_ours(place: Path) -> bool:
    try:
        return place.is_dir() and place.stat().st_uid == os.geteuid()
    except OSError:
        return False


def made_home(place: Path | None = None) -> Path:
    """The home folder, or ``place`` in its stead. It is made if it is not there, with a ``.gitignore`` that keeps it out of
    repositories.

    A folder of another name with files of the user in it gets none. Raises OSError.
    """
    place = home() if place is None else place.absolute()
    return own_folder(place, lambda name: place.name == _NAME or name in _OURS)
