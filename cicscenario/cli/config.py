"""``cicscenario config``: every effective value of a file, and where it came from."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cicscenario.errors import ExitCode
from cicscenario.language.provenance import Setting
from cicscenario.vocabulary import settings


def config(path: Path, overrides: Sequence[str], env: str | None, fmt: str) -> ExitCode:
    """Prints a line a key: key, value and origin. ``env`` is what the command line names as the environment, if it does.

    Raises InvalidError with every error of the file.
    """
    found = [_nearer(setting) for setting in settings(path, overrides)]
    if env is not None:
        found = [Setting(s.key, env, "--env") if s.key == "environment" else s for s in found]
    if fmt == "json":
        print(json.dumps([asdict(setting) for setting in found], indent=2, ensure_ascii=False))
        return ExitCode.OK
    width = max(len(setting.key) for setting in found)
    values = [_value(setting.value) for setting in found]
    column = min(40, max(map(len, values)))
    for setting, value in zip(found, values, strict=True):
        source = f"{setting.origin}  {setting.written}" if setting.written else setting.origin
        print(f"{setting.key:<{width}}  {value:<{column}}  {source}")
    return ExitCode.OK


def _value(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _nearer(setting: Setting) -> Setting:
    """With the file as seen from the current folder, where that is shorter: extended files come with their whole path."""
    file, colon, line = setting.origin.rpartition(":")
    if not colon:
        return setting
    near = min(os.path.relpath(file), file, key=len)
    return Setting(setting.key, setting.value, f"{near}:{line}", setting.written)
