"""Options and arguments that several commands have, with their shell completion."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cicscenario.cli import completion
from cicscenario.printable import Colour


class OutputForm(StrEnum):
    """The output format of a command."""

    TEXT = "text"
    JSON = "json"


class DiffForm(StrEnum):
    """The output format of ``diff``."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


class FindingsForm(StrEnum):
    """The output format of ``validate``."""

    TEXT = "text"
    JSON = "json"
    GITLAB = "gitlab"
    SARIF = "sarif"
    GITHUB = "github"


_FORM = typer.Option("--format", help="The form of the output.")
Format = Annotated[OutputForm, _FORM]
DiffFormat = Annotated[DiffForm, _FORM]
FindingsFormat = Annotated[FindingsForm, _FORM]
ReportFormat = Annotated[
    str | None,
    typer.Option("--format", metavar="FORM", help="One form, instead of all.", autocompletion=completion.reports),
]

Scenario = Annotated[Path, typer.Argument(metavar="SCENARIO", help="The scenario file.", show_default=False)]
Place = Annotated[
    Path, typer.Argument(metavar="SCENARIO|DIR", help="The scenario file, or the run directory.", show_default=False)
]
RunPlace = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run directory, a scenario file, or a name that `runs` lists.", show_default=False
    ),
]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, such as population.size=50. Repeatable."),
]
Env = Annotated[
    str | None, typer.Option("--env", metavar="sandbox|FILE", help="The environment, instead of the scenario's own.")
]
Directory = Annotated[
    Path | None, typer.Option("--dir", metavar="DIR", help="The run directory. Default: CICSCENARIO_HOME/runs/NAME.")
]
Node = Annotated[
    str | None,
    typer.Option(
        "--node", metavar="embedded|anvil", help="The node of a sandbox to start.", autocompletion=completion.nodes
    ),
]
Generation = Annotated[
    str | None,
    typer.Option(
        "--contracts",
        metavar="classic|latest",
        help="The contract generation of a sandbox to start.",
        autocompletion=completion.contracts,
    ),
]
Pace = Annotated[
    str | None,
    typer.Option(
        "--pace",
        metavar="fast|real",
        help="The pace of a sandbox to start: real is that of the real services.",
        autocompletion=completion.paces,
    ),
]
Keep = Annotated[bool, typer.Option("--keep", help="Do not stop the sandbox that this command starts.")]
Json = Annotated[bool, typer.Option("--json", help="Print events as JSON lines (schemas/events-v1.json).")]
Color = Annotated[
    Colour, typer.Option("--color", help="Colour: auto is on a terminal, unless NO_COLOR is set.", show_default=True)
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show each request that is repeated, and why.")]
Serve = Annotated[
    int | None,
    typer.Option(
        "--serve",
        metavar="[PORT]",
        min=0,
        max=65535,
        help="Serve the page of this run, live, to browsers of this machine. Default: any port that is free.",
    ),
]
Port = Annotated[
    int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="The port. Default: any that is free.")
]

Until = Annotated[
    str | None, typer.Option(metavar="STEP", help="Stop after this step.", autocompletion=completion.steps)
]
Since = Annotated[
    str | None, typer.Option(metavar="STEP", help="Begin with this step.", autocompletion=completion.steps)
]
Only = Annotated[
    list[str], typer.Option(metavar="STEP", help="Only this step. Repeatable.", autocompletion=completion.steps)
]
Include = Annotated[
    list[str], typer.Option(metavar="CHECK", help="Only this check. Repeatable.", autocompletion=completion.checks)
]
Exclude = Annotated[
    list[str], typer.Option(metavar="CHECK", help="Not this check. Repeatable.", autocompletion=completion.checks)
]

FailFast = Annotated[
    bool, typer.Option("--fail-fast", help="With a matrix: after a combination that does not end well, begin no other.")
]
Again = Annotated[
    str | None,
    typer.Option(
        "--again",
        metavar="STEP",
        help="Execute this step again for people who are done, where that is safe. Shows for whom, and asks.",
        autocompletion=completion.steps,
    ),
]
Failed = Annotated[
    bool, typer.Option("--failed", help="With --again: only for people who do not pass a check, which is asked first.")
]
Persons = Annotated[
    list[str],
    typer.Option("--person", metavar="PERSON", help="With --again: only for this index or phone number. Repeatable."),
]
