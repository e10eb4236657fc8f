"""``stack.json``: what a sandbox's data was made with, so that it is never gone on with by something else."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cicscenario.errors import InvalidError, StateRefusedError
from cicscenario.sandbox.nodes import NODES
from cicscenario.sandbox.packages import PACKAGES


@dataclass
class Record:
    """Node kind, contract generation, and what was settled for each service by its name."""

    node: str
    contracts: str
    registry: str = ""  #: empty until the contracts are deployed
    ports: dict[str, int] = field(default_factory=dict)
    options: dict[str, list[str]] = field(
        default_factory=dict
    )  #: what a service was last started with: faults, dialect
    commands: dict[str, list[str]] = field(default_factory=dict)  #: how a service was last started
    temporary: list[str] = field(
        default_factory=list
    )  #: services that a run started for itself: the last user ends them


def read_record(path: Path) -> Record | None:
    """None when there is no sandbox; raises StateRefusedError when the file cannot be read."""
    try:
        return Record(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, OSError) as error:
        raise StateRefusedError(
            f"{path} does not describe a sandbox: {error}",
            hint=f"delete {path.parent} once its daemons are down, or name another folder in CICSCENARIO_HOME",
        ) from None


def write_record(path: Path, record: Record) -> None:
    write(path, json.dumps(asdict(record), indent=2) + "\n")


def write(path: Path, text: str) -> None:
    """Replaces a file as a whole; it is its owner's alone from the first moment."""
    passing = path.with_name(f"{path.name}.new")
    passing.unlink(missing_ok=True)
    with os.fdopen(os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    passing.replace(path)


def agree(held: Record | None, node: str | None, contracts: str | None, folder: Path) -> Record:
    """The record to go on with. What is held decides what is not asked for.

    Raises InvalidError for an unknown choice, and StateRefusedError for another one than ``folder`` was made with.
    """
    for what, title, choice, known in (
        ("node", "node", node, NODES),
        ("contracts", "contract generation", contracts, PACKAGES),
    ):
        if choice is not None and choice not in known:
            raise InvalidError(f"unknown {title}: {choice}", hint=f"--{what} is one of: {', '.join(known)}")
        if held and choice not in (None, (has := getattr(held, what))):
            raise StateRefusedError(
                f"the sandbox in {folder} was made with --{what} {has}, not {choice}",
                hint="`cicscenario stack down --purge` deletes it with its chain; or name another folder in"
                " CICSCENARIO_HOME",
            )
    return held or Record(node or "embedded", contracts or "classic")
