"""``stack.json``: the choices a sandbox was made with. A later start that asks for other choices is refused."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cicscenario.errors import InvalidError, StateRefusedError
from cicscenario.files import OWNER_ONLY, write_whole
from cicscenario.jsontext import parse_json
from cicscenario.sandbox.nodes import NODES
from cicscenario.sandbox.pace import FAST
from cicscenario.sandbox.packages import PACKAGES

RECORD = "stack.json"  #: name of its file in the sandbox's folder
ENVIRONMENT = "environment.yaml"  #: name of the environment file there, which others use the sandbox by


@dataclass
class Record:
    """Node kind and contract generation of a sandbox, and the state of each service by its name."""

    node: str
    contracts: str
    registry: str = ""  #: address of the registry; empty until the contracts are deployed
    ports: dict[str, int] = field(default_factory=dict)
    #: ports that the user has chosen; a service whose port is taken does not start
    fixed: dict[str, int] = field(default_factory=dict)
    #: options of the last start, such as faults and dialect
    options: dict[str, list[str]] = field(default_factory=dict)
    #: command line of the last start
    commands: dict[str, list[str]] = field(default_factory=dict)
    #: services that a run started for itself; the last run that uses the sandbox stops them
    temporary: list[str] = field(default_factory=list)
    #: names this copy of the chain: a snapshot that is restored twice gives two; empty in sandboxes from before there were any
    copy: str = ""
    #: of the last start: fast, or real
    pace: str = FAST


def read_record(path: Path) -> Record | None:
    """The record in ``path``, or None when there is no sandbox. Raises StateRefusedError when the file is damaged."""
    try:
        return Record(**parse_json(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, OSError) as error:
        raise StateRefusedError(
            f"{path} does not describe a sandbox: {error}",
            hint=f"delete {path.parent} once its daemons are down, or name another folder in CICSCENARIO_HOME",
        ) from None


def write_record(path: Path, record: Record) -> None:
    write_whole(path, json.dumps(asdict(record), indent=2) + "\n", mode=OWNER_ONLY)


def dialect_of(options: Mapping[str, list[str]]) -> str | None:
    """The dialect among the options of the phone interface; None for the default."""
    words = options.get("ussd", [])
    return words[words.index("--dialect") + 1] if "--dialect" in words else None


def choose(held: Record | None, node: str | None, contracts: str | None, folder: Path) -> Record:
    """The record to start with: the one of an existing sandbox, or a new one; None stands for the held or first choice.

    Raises InvalidError for an unknown choice, and StateRefusedError when ``folder`` was made with another choice.
    """
    for option, title, choice, known in (
        ("node", "node", node, NODES),
        ("contracts", "contract generation", contracts, PACKAGES),
    ):
        if choice is not None and choice not in known:
            raise InvalidError(f"unknown {title}: {choice}", hint=f"--{option} is one of: {', '.join(known)}")
        if held and choice not in (None, (used := getattr(held, option))):
            raise StateRefusedError(
                f"the sandbox in {folder} was made with --{option} {used}, not {choice}",
                hint="`cicscenario stack down --purge` deletes it with its chain; or name another folder in"
                " CICSCENARIO_HOME",
            )
    return held or Record(node or "embedded", contracts or "classic", copy=new_copy())


def new_copy() -> str:
    """A name for a copy of a chain, as no other has it."""
    return secrets.token_hex(8)
