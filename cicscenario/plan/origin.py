"""Where the people of a scenario come from, for plans and for what is shown of a person."""

from typing import Any

from cicscenario.files import from_here
from cicscenario.language import Scenario
from cicscenario.legacy.peopletable import PeopleTable
from cicscenario.people.population import Population
from cicscenario.printable import one_line
from cicscenario.state.store import STATE

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tabulator"}


def origin_document(scenario: Scenario, population: Population) -> dict[str, Any] | None:
    """The source of existing people as data; None for people who are made from a seed."""
    path = scenario.population.source
    if path is None:
        return None
    kind = "table" if not path.is_dir() else "run" if (path / STATE).exists() else "data directory"
    found: dict[str, Any] = {"path": str(path), "kind": kind}
    if isinstance(population, PeopleTable):
        columns = population.columns
        found |= {"separator": _SEPARATORS[population.separator], "columns": dict(columns.headings)}
        found |= {"unread": list(columns.unread)}
    if scenario.pins and scenario.pins.source:
        found["pin_hashes"] = str(scenario.pins.source)
    return found


def origin_words(document: dict[str, Any]) -> list[str]:
    """The source in lines."""
    lines = [f"the {document['kind']} {document['path']}"]
    if "columns" in document:
        read = ", ".join(f"{field}: {name}" for field, name in document["columns"].items())
        lines.append(f"columns ({document['separator']} between them): {read}")
    if document.get("unread"):
        lines.append(f"not read: {', '.join(document['unread'])}")
    if "pin_hashes" in document:
        lines.append(f"PIN hashes: {document['pin_hashes']}")
    return [one_line(line) for line in lines]


def origin_of(index: int, scenario: Scenario, population: Population) -> str | None:
    """Where one person is from, such as ``people.csv, line 7``; None for people who are made from a seed.

    The line is told only when the table has been read.
    """
    path = scenario.population.source
    if path is None:
        return None
    if isinstance(population, PeopleTable) and index < population.size:
        return f"{from_here(path)}, line {population.line(index)}"
    return str(from_here(path))
