"""``cicscenario new``: writes a commented scenario to begin with."""

import re
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import load_scenario
from cicscenario.resources import schema_path, template_path


def new(path: Path, *, name: str | None, size: int) -> ExitCode:
    """Writes a scenario of ``size`` people to ``path``; its name is the file's unless it is given.

    Raises InvalidError when the file is there already, cannot be written, or would not be valid; nothing is left then.
    """
    named = name or re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_text(named, size))
    except FileExistsError:
        raise InvalidError(f"{path} is there already", hint="name another file; nothing is overwritten") from None
    except OSError as error:
        raise InvalidError(f"cannot write {path}: {(error.strerror or '').lower()}", hint="name another file") from None
    try:
        load_scenario(path)
    except InvalidError:
        path.unlink()
        raise
    print(f"{path} is ready: cicscenario run {path}")
    return ExitCode.OK


def _text(name: str, size: int) -> str:
    # The result is YAML, not HTML, so there is nothing to escape; a name is a slug, or the file is refused.
    jinja = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    template = jinja.from_string(template_path("scenario.yaml.j2").read_text("utf-8"))
    return template.render(name=name, size=size, schema=schema_path("scenario-v1").as_uri())
