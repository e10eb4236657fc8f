"""``cicscenario schema``: writes the schemas, with the names of installed packages, or prints one."""

import json
import os
from pathlib import Path

from cicscenario.errors import ExitCode, InvalidError
from cicscenario.files import FOLDER_FOR_ALL, FOR_ALL, checkout_of, make_folder, write_whole
from cicscenario.printable import one_line, say
from cicscenario.resources import load_schema
from cicscenario.vocabulary import schema_text

FOLDER = "schemas"  #: the folder of the schemas in a project
NAMES = {kind: f"{kind}-v1.json" for kind in ("scenario", "environment", "profile")}
_UP = 8  # folders in which a project's schemas are looked for


def schema(folder: Path | None, kind: str) -> ExitCode:
    """Writes all schemas to ``folder``; without one, prints that of ``kind``. Raises InvalidError for an unknown kind."""
    if kind not in NAMES:
        raise InvalidError(f"unknown kind of file: {kind}", hint=f"choose {', '.join(NAMES)}")
    if folder is None:
        say(_texts()[kind], end="")
        return ExitCode.OK
    for file in write_schemas(folder):
        say(one_line(str(file)))
    say(f"for editors, as the first line of a file: # yaml-language-server: $schema=PATH/{NAMES['scenario']}")
    return ExitCode.OK


def write_schemas(folder: Path) -> list[Path]:
    """Writes the schemas to a folder, which is made; gives the files."""
    texts = _texts()
    make_folder(folder, mode=FOLDER_FOR_ALL)
    for kind, name in NAMES.items():
        write_whole(folder / name, texts[kind], mode=FOR_ALL)
    return [folder / name for name in NAMES.values()]


def schemas_of(file: Path) -> Path | None:
    """The folder of schemas in the folder of a scenario, or the nearest one above it; None when there is none.

    It is not looked for outside the git checkout and the home folder of the user, so that other machines have it, too.
    """
    folder = file.absolute().parent
    for above in [folder, *folder.parents][:_UP]:
        if (above / FOLDER / NAMES["scenario"]).is_file():
            return above / FOLDER
        if (above / ".git").exists() or above == Path.home():
            return None
    return None


def schemas_place(file: Path) -> Path:
    """Where the schemas go for a scenario that has none: the top of its git checkout, else the folder of the scenario.

    The scenarios and environment files of a project, which are in several folders, then have the same ones.
    """
    folder = file.absolute().parent
    top = checkout_of(folder)
    return (top if top and top != Path.home() else folder) / FOLDER


def reference(file: Path, folder: Path) -> str:
    """The path of the scenario's schema as a scenario file names it: relative, so that it is right on every machine."""
    return os.path.relpath(folder / NAMES["scenario"], file.absolute().parent).replace(os.sep, "/")


def _texts() -> dict[str, str]:
    others = {kind: load_schema(f"{kind}-v1") for kind in NAMES if kind != "scenario"}
    texts = {kind: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for kind, schema in others.items()}
    return {"scenario": schema_text()} | texts
