"""``cicscenario new``: writes a commented scenario to begin with."""

import re
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import load_scenario
from cicscenario.resources import schema_path, template_path


def new(path: Path, *, name: str | None, size: int) -> ExitCode:
    """Writes ``path``; an existing file is left alone and is an error."""
    named = name or re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._")
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False).from_string(  # noqa: S701
        template_path("scenario.yaml.j2").read_text("utf-8")
    )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template.render(name=named, size=size, schema=schema_path("scenario-v1")))
    except FileExistsError:
        raise InvalidError(f"{path} is there already", hint="name another file") from None
    except OSError as error:
        raise InvalidError(f"cannot write {path}: {error.strerror}") from None
    try:
        load_scenario(path)
    except InvalidError:
        path.unlink()
        raise
    print(f"{path} is ready: cicscenario run {path}")
    return ExitCode.OK
