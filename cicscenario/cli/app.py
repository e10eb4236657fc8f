"""The command line: every command and its options.

The code of a command is imported when the command is called, so that help and completion stay fast.
"""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cicscenario import __version__
from cicscenario.cli import completion
from cicscenario.cli.boundary import DEBUG, Commands, boundary, command_line
from cicscenario.cli.failpoint import prepare_failpoint
from cicscenario.cli.options import (
    DiffForm,
    DiffFormat,
    Directory,
    Env,
    Exclude,
    FindingsForm,
    FindingsFormat,
    Format,
    Generation,
    Include,
    Json,
    Keep,
    Node,
    Only,
    OutputForm,
    Overrides,
    Place,
    ReportFormat,
    Scenario,
    Since,
    Until,
)
from cicscenario.cli.surroundings import prepare_process
from cicscenario.errors import ExitCode, InterruptedRunError, InvalidError
from cicscenario.printable import say

_EXIT_CODES = f"""Exit codes:

0 done, and every check passed for all people; 1 checks found errors; 2 the scenario or the command line is invalid;
3 a service does not answer or a step failed (run again to resume); 4 the state is locked or belongs to another scenario;
5 a person must reconcile the chain; 70 internal error; 130 interrupted, or a question was answered with no (run again to
resume). {DEBUG}=1 in the environment shows the traceback of an error."""

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fills a Community Inclusion Currency stack with the people of a scenario, and verifies all of them.\n\n"
    + _EXIT_CODES,
)
stack_app = typer.Typer(no_args_is_help=True, help="The sandbox: a local stack with the upstream contracts.")
app.add_typer(stack_app, name="stack")
state_app = typer.Typer(
    no_args_is_help=True, help="The state of a run: what it holds, whether it is sound, its repair."
)
app.add_typer(state_app, name="state")

_FRESH_QUESTION = "All people will be made again, on the same chain. Rename the run directory and start a new run?"


def _end(code: ExitCode) -> NoReturn:
    raise typer.Exit(code)


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


@app.command()
def run(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    until: Until = None,
    since: Since = None,
    only: Only = [],  # noqa: B006
    fresh: Annotated[bool, typer.Option("--fresh", help="Rename the run directory and start a new run.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --fresh.")] = False,
    reconcile: Annotated[
        bool,
        typer.Option("--reconcile", help="Send transactions whose nonce another program used again (exit code 5)."),
    ] = False,
    node: Node = None,
    contracts: Generation = None,
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Start or resume a scenario, and verify that all people arrived."""
    from cicscenario.cli import run as run_command
    from cicscenario.cli.ending import verify_command, watched
    from cicscenario.cli.workspace import SandboxChoice
    from cicscenario.engine.select import Selection

    if fresh and not yes and sys.stdin.isatty() and not typer.confirm(_FRESH_QUESTION):
        raise InterruptedRunError("no new run was started, and nothing was changed")
    choice = SandboxChoice(node, contracts, keep)
    options = run_command.RunOptions(
        tuple(overrides),
        env,
        directory,
        Selection(until, since, tuple(only)),
        fresh=fresh,
        reconcile=reconcile,
        sandbox=choice,
    )
    again = verify_command(scenario, overrides, env=env, dir=directory, node=node, contracts=contracts)
    _end(watched(lambda listener: run_command.run(scenario, options, listener), again, as_json=as_json))


@app.command()
def plan(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Show what a run would do, what it costs and what it needs, before anything is changed."""
    from cicscenario.cli import plan as plan_command

    _end(plan_command.plan(scenario, overrides, env, directory, fmt))


@app.command()
def validate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Scenarios, environments or folders of them.")],
    overrides: Overrides = [],  # noqa: B006
    fmt: FindingsFormat = FindingsForm.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
) -> None:
    """Check scenario and environment files: shows all errors of a file, and warnings (L…) about probable mistakes."""
    from cicscenario.cli import validate as validate_command

    _end(validate_command.validate(paths, overrides, fmt, strict=strict))


@app.command()
def config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario or an environment.", show_default=False)],
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Show every effective value of a file and its origin: file and line, --set, or the default."""
    from cicscenario.cli import config as config_command

    _end(config_command.config(file, overrides, env, fmt))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A scenario or folder, or REV:PATH in a git checkout.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same, after the change.")],
    fmt: DiffFormat = DiffForm.TEXT,
) -> None:
    """Show the effects of a change to scenarios. Exit code 0: no difference, 1: they differ, 2: one is invalid."""
    from cicscenario.cli import diff as diff_command

    _end(diff_command.diff(before, after, fmt))


@app.command()
def status(
    scenario: Scenario,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Show the progress of a run, from its state only."""
    from cicscenario.cli import status as status_command

    _end(status_command.status(scenario, overrides, directory, fmt))


@app.command()
def verify(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    include: Include = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
    node: Node = None,
    contracts: Generation = None,
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Ask the services again whether all people arrived."""
    from cicscenario.cli import verify as verify_command
    from cicscenario.cli.ending import watched
    from cicscenario.cli.workspace import SandboxChoice

    choice = SandboxChoice(node, contracts, keep)
    asked = (scenario, overrides, env, directory, include, exclude, choice)
    _end(watched(lambda listener: verify_command.verify(*asked, listener), command_line(), as_json=as_json))


@app.command()
def report(
    scenario: Scenario,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: ReportFormat = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to write it, instead of stdout.")
    ] = None,
) -> None:
    """Write the reports of a run again, from its directory only. Without --format, write all of them to the directory."""
    from cicscenario.cli import report as report_command

    _end(report_command.report(scenario, overrides, directory, fmt, output))


@app.command()
def export(
    scenario: Scenario,
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
) -> None:
    """Write the data directory of the old data-seeding tools, so that they can continue from it."""
    from cicscenario.cli import export as export_command

    _end(export_command.export(scenario, target, overrides, directory))


@app.command()
def show(
    scenario: Scenario,
    pins: Annotated[
        bool, typer.Option("--pins", help="The PIN of each person in clear, as CSV: phone, name and PIN.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write it to this file, such as pins-plain.csv, for its owner only."
        ),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
) -> None:
    """Show what a run holds about its people, from its state only."""
    from cicscenario.cli import show as show_command

    if not pins:
        raise InvalidError("nothing to show was asked for", hint="`cicscenario show SCENARIO --pins` shows the PINs")
    _end(show_command.pins(scenario, overrides, directory, out))


@app.command()
def new(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The scenario file to write.")],
    name: Annotated[str | None, typer.Option(help="The scenario's name. Default: the file's.")] = None,
    size: Annotated[int | None, typer.Option(help="Number of people.")] = None,
    backend: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="How accounts are created.", autocompletion=completion.backends),
    ] = None,
    gift: Annotated[
        int | None, typer.Option(metavar="TOKENS", help="Maximum gift per person, in whole tokens.")
    ] = None,
    metadata: Annotated[
        list[str],
        typer.Option(metavar="KIND,...", help="Metadata to write. Repeatable.", autocompletion=completion.metadata),
    ] = [],  # noqa: B006
    overrides: Overrides = [],  # noqa: B006
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; use defaults for missing options.")] = False,
) -> None:
    """Write a new scenario with comments. On a terminal, ask for the options that are not given."""
    from cicscenario.cli import new as new_command

    given = {"population.size": size, "backend.kind": backend, "gift.threshold": gift}
    answers = [f"{key}={value}" for key, value in given.items() if value is not None]
    answers += [f"metadata=[{','.join(metadata)}]"] if metadata else []
    asks = not yes and sys.stdin.isatty() and sys.stdout.isatty()
    _end(new_command.new(path, name=name, answers=[*answers, *overrides], ask=_ask if asks else None))


def _ask(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default))


@app.command()
def explain(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="KEY",
            help="A key such as gift.threshold, or an error code.",
            autocompletion=completion.explained,
        ),
    ] = None,
) -> None:
    """Explain a key of the scenario language or an error code. Without one, list the keys."""
    from cicscenario.cli import explain as explain_command

    _end(explain_command.explain(key))


@stack_app.command("up")
def stack_up(
    node: Node = None,
    contracts: Generation = None,
    services: Annotated[
        list[str], typer.Option("--service", metavar="NAME", help="Only this service and what it needs. Repeatable.")
    ] = [],  # noqa: B006
    faults: Annotated[
        list[str],
        typer.Option("--fault", metavar="SERVICE.NAME[=VALUE]", help="A fault to inject. Repeatable."),
    ] = [],  # noqa: B006
    dialect: Annotated[
        str | None, typer.Option("--dialect", metavar="2021", help="The cic-ussd version of the phone interface.")
    ] = None,
) -> None:
    """Start the sandbox with all its services, or use the one that is up."""
    from cicscenario.cli import stack as stack_command
    from cicscenario.cli.workspace import home

    _end(stack_command.up(home(), node=node, contracts=contracts, services=services, faults=faults, dialect=dialect))


@stack_app.command("down")
def stack_down(
    purge: Annotated[bool, typer.Option("--purge", help="Delete its chain and data too.")] = False,
) -> None:
    """Stop the sandbox. The next start continues with the same chain."""
    from cicscenario.cli import stack as stack_command
    from cicscenario.cli.workspace import home

    _end(stack_command.down(home(), purge=purge))


@stack_app.command("status")
def stack_status(fmt: Format = OutputForm.TEXT) -> None:
    """Show each service of the sandbox: its address, and whether it answers."""
    from cicscenario.cli import stack as stack_command
    from cicscenario.cli.workspace import home

    _end(stack_command.status(home(), fmt=fmt))


@state_app.command("show")
def state_show(
    place: Place,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Show what a state holds, also a damaged one: identity, rows, steps, nonces, and its damage."""
    from cicscenario.cli import state as state_command

    _end(state_command.show(state_command.Place(place, overrides, None, directory), fmt))


@state_app.command("verify")
def state_verify(
    place: Place,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    services: Annotated[bool, typer.Option("--services", help="Also ask the chain for every transaction.")] = False,
) -> None:
    """Read every row of a state. Exit code 0: sound, 1: something contradicts something else, 4: damaged."""
    from cicscenario.cli import state as state_command

    _end(state_command.verify(state_command.Place(place, overrides, env, directory), services=services))


@state_app.command("repair")
def state_repair(
    place: Place,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
) -> None:
    """Make a damaged state anew from what can be proven; the next run looks up the rest. The damaged file is kept.

    Exit code 5: something cannot be proven; it is named and left out.
    """
    from cicscenario.cli import state as state_command

    _end(state_command.repair(state_command.Place(place, overrides, env, directory)))


def main() -> None:
    """Entry point of the ``cicscenario`` command."""
    prepare_process()
    sys.exit(boundary(_command))


def _command() -> None:
    prepare_failpoint()
    app()
