"""``cicscenario config``: every effective value of a file, and its origin."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cicscenario.errors import ExitCode
from cicscenario.language.provenance import Setting
from cicscenario.printable import json_text, one_line, say
from cicscenario.vocabulary import settings


def config(path: Path, overrides: Sequence[str], env: str | None, fmt: str) -> ExitCode:
    """Prints one line per key: key, value and origin. ``env`` is the option --env.

    Raises InvalidError with every error of the file.
    """
    found = [_relative(setting) for setting in settings(path, overrides)]
    if env is not None:
        found = [Setting(s.key, env, "--env") if s.key == "environment" else s for s in found]
    if fmt == "json":
        say(json_text([_document(setting) for setting in found], indent=2))
        return ExitCode.OK
    width = max(len(setting.key) for setting in found)
    values = [_value(setting.value) for setting in found]
    column = min(40, max(map(len, values)))
    for setting, value in zip(found, values, strict=True):
        more = [setting.written, setting.combination and f"with {setting.combination}"]
        source = one_line("  ".join([setting.origin, *filter(None, more)]))
        say(f"{setting.key:<{width}}  {value:<{column}}  {source}")
    return ExitCode.OK


def _document(setting: Setting) -> dict[str, Any]:
    """A setting for the JSON output; ``combination`` is there only with a matrix of several."""
    document = asdict(setting)
    if setting.combination is None:
        del document["combination"]
    return document


def _value(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _relative(setting: Setting) -> Setting:
    """The setting with its file relative to the current folder if that is shorter. Extended files have absolute paths."""
    file, colon, line = setting.origin.rpartition(":")
    if not colon:
        return setting
    near = min(os.path.relpath(file), file, key=len)
    return replace(setting, origin=f"{near}:{line}")
