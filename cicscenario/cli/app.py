"""The command line: the root of all commands.

The code of a command is imported when the command is called, so that help and completion stay fast.
"""

import sys
from typing import Annotated

import typer

from cicscenario import __version__
from cicscenario.cli.boundary import DEBUG, Commands, boundary
from cicscenario.cli.failpoint import prepare_failpoint
from cicscenario.cli.rungroup import run_app
from cicscenario.cli.scenariogroup import scenario_app
from cicscenario.cli.stackgroup import stack_app
from cicscenario.cli.stategroup import state_app
from cicscenario.cli.surroundings import prepare_process
from cicscenario.printable import say

_EXIT_CODES = f"""Exit codes:

0 done, and every check passed for all people; 1 checks found errors; 2 the scenario or the command line is invalid;
3 a service does not answer, a step failed or a deadline passed (run again to resume); 4 the state is locked or belongs to
another scenario; 5 a person must reconcile the chain; 70 internal error; 130 interrupted, or a question was answered with no
(run again to resume). {DEBUG}=1 in the environment shows the traceback of an error."""

app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,  # rich takes a quarter of a second of CPU, for boxes around the help
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fills a Community Inclusion Currency stack with the people of a scenario, and verifies all of them.\n\n"
    + _EXIT_CODES,
)
app.add_typer(run_app)
app.add_typer(scenario_app)
app.add_typer(stack_app, name="stack")
app.add_typer(state_app, name="state")


def _version(asked: bool) -> None:
    if asked:
        say(f"cicscenario {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the ``cicscenario`` command."""
    prepare_process()
    sys.exit(boundary(_command))


def _command() -> None:
    prepare_failpoint()
    app()
