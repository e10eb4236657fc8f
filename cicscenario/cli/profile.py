"""``cicscenario profile``: measures a profile from people who exist. It has counts only: no name, no number, no person."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from cicscenario.cli.atwork import at_work
from cicscenario.errors import ExitCode, InvalidError, reason_of
from cicscenario.files import FOR_ALL, write_new
from cicscenario.language.formats import FORMATS
from cicscenario.language.profiles import parse_profile
from cicscenario.language.source import Source
from cicscenario.legacy.badrecords import BadRecords
from cicscenario.legacy.survey import survey_directory, survey_table
from cicscenario.people.measure import LEAST, Measure
from cicscenario.printable import one_line, say
from cicscenario.state.store import STATE
from cicscenario.wording import counted


def profile(people: Path, output: Path | None, *, name: str | None, measured: str | None, region: str) -> ExitCode:
    """Measures the people of a data directory or a CSV file, and prints the profile or writes it to ``output``, a new file.

    ``measured`` is the day of the figures; None: the last day on which somebody joined. Raises InvalidError.
    """
    if output and output.exists():
        raise InvalidError(f"{output} exists already", hint="name another file; nothing is overwritten")
    if measured and not FORMATS["day"].test(measured):
        raise InvalidError(f"{measured!r:.30} is not {FORMATS['day'].expected}")
    if not FORMATS["phone-region"].test(region):
        raise InvalidError(f"{region!r:.30} is not {FORMATS['phone-region'].expected}")
    with at_work("reading the people"):
        measure, source, notes = _measured(people, region)
    document = measure.document(_name(name, output or people), source, measured)
    text = _text(document)
    parse_profile(Source("the profile", text, Path.cwd()))
    if output is None:
        say(text, end="")
    else:
        try:
            write_new(output, text, mode=FOR_ALL)
        except OSError as error:
            raise InvalidError(f"cannot write {output}: {reason_of(error)}", hint="name another file") from None
        notes.append(f"{one_line(str(output))} is ready; name it in `population.profile` of a scenario")
    for note in notes:
        say(note, stream=sys.stderr)
    return ExitCode.OK


def _measured(people: Path, region: str) -> tuple[Measure, str, list[str]]:
    """The counts, where they are from, and what to say about it."""
    if not people.exists():
        raise InvalidError(f"there is no {people}", hint="name a data directory, or a CSV file of people")
    if (people / STATE).exists():
        raise InvalidError(
            f"{people} is a run directory", hint="let the command export write its people to a folder, and measure that"
        )
    if people.is_dir():
        measure, rejected = survey_directory(people, region)
        return measure, "Counted from a data directory.", [*_heads(measure), *_rejected(rejected)]
    measure, other = survey_table(people)
    ignored = f"columns that are not read: {', '.join(map(one_line, other))}"
    return measure, "Counted from a CSV file.", [*_heads(measure), *([ignored] if other else [])]


def _heads(measure: Measure) -> list[str]:
    return [f"{counted(measure.people, 'person')} counted; no group has fewer people than {LEAST}"]


def _rejected(rejected: BadRecords) -> list[str]:
    """How many people are not counted. The records themselves may have numbers of people."""
    left_out, records = counted(len(rejected.people), "person"), counted(rejected.count, "bad record")
    return [f"left out: {left_out}, for {records} in the directory"] if rejected.count else []


def _name(name: str | None, path: Path) -> str:
    """The name that is given, or else that of the file, as a profile may be named."""
    if name is not None and not re.fullmatch(_NAME, name):
        raise InvalidError(f"{name!r} is not a name for a profile", hint="lower case, such as village-2021")
    made = re.sub("[^a-z0-9._-]+", "-", path.resolve().stem.lower()).strip("-._")[:63]
    return name or made or "people"


_NAME = "[a-z0-9][a-z0-9._-]{0,62}"


def _text(document: dict[str, Any]) -> str:
    """The file: a line for each group, and one for the groups within a group."""
    lines: list[str] = []
    for key, value in document.items():
        if isinstance(value, dict):
            lines += ["", f"{key}:", *(f"  {_word(name)}: {_inner(inner)}" for name, inner in value.items())]
        else:
            lines.append(f"{key}: {_word(value) if isinstance(value, str) else value}")
    return "\n".join(lines) + "\n"


def _inner(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return "{" + ", ".join(f"{_word(name)}: {number}" for name, number in value.items()) + "}"


def _word(text: str) -> str:
    """A text as YAML: in quotes unless it is one for every reader without them."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _OTHERS else json.dumps(text, ensure_ascii=False)


_PLAIN = re.compile("[A-Za-z][A-Za-z /'-]*[A-Za-z]|[0-9]+-[0-9]+|[a-z]+")
_OTHERS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"})  # values, for some readers
