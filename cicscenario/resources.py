"""Finds the files that are shipped beside the code: schemas, templates, profiles, and the pages that messages name."""

from functools import cache
from pathlib import Path
from typing import Any

from cicscenario.jsontext import parse_json

_PACKAGE = Path(__file__).parent
_PROFILES = _PACKAGE / "profiles"


def schema_path(name: str) -> Path:
    """Path of ``schemas/<name>.json``."""
    return _shipped("schemas", f"{name}.json")


def page_path(name: str) -> Path:
    """Path of ``docs/<name>.md``."""
    return _shipped("docs", f"{name}.md")


def _shipped(folder: str, name: str) -> Path:
    """A file inside the package when that is installed, beside it in a checkout."""
    installed = _PACKAGE / folder / name
    return installed if installed.exists() else _PACKAGE.parent / folder / name


@cache
def load_schema(name: str) -> dict[str, Any]:
    """The parsed JSON schema ``name``, such as ``scenario-v1``. Shared: do not change it."""
    schema: dict[str, Any] = parse_json(schema_path(name).read_text("utf-8"))
    return schema


def template_path(name: str) -> Path:
    """Path of the shipped template ``name``."""
    return _PACKAGE / "templates" / name


def profile_path(name: str) -> Path | None:
    """Path of the shipped profile of people ``name``; None when there is none."""
    return _PROFILES / f"{name}.yaml" if name in profile_names() else None


def profile_names() -> list[str]:
    """The names of the profiles of people that are shipped."""
    return sorted(path.stem for path in _PROFILES.glob("*.yaml"))
