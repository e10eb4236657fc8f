"""The commands about a run, and their options."""

from pathlib import Path
from typing import Annotated

import typer

from cicscenario.cli.boundary import end
from cicscenario.cli.commandline import about, as_given
from cicscenario.cli.options import (
    Again,
    Directory,
    Env,
    Exclude,
    Failed,
    Format,
    Generation,
    Include,
    Json,
    Keep,
    Node,
    Only,
    OutputForm,
    Overrides,
    Persons,
    Port,
    ReportFormat,
    Scenario,
    Serve,
    Since,
    Until,
)
from cicscenario.cli.serveoption import WithServe
from cicscenario.errors import InvalidError
from cicscenario.invocation import going_on

run_app = typer.Typer()

_FRESH_QUESTION = "All people will be made again, on the same chain. Rename the run directory and start a new run?"


@run_app.command(cls=WithServe)
def run(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    until: Until = None,
    since: Since = None,
    only: Only = [],  # noqa: B006
    fresh: Annotated[bool, typer.Option("--fresh", help="Rename the run directory and start a new run.")] = False,
    again: Again = None,
    failed: Failed = False,
    person: Persons = [],  # noqa: B006
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before --fresh and --again. Needed where there is no terminal.")
    ] = False,
    reconcile: Annotated[
        bool,
        typer.Option("--reconcile", help="Send transactions whose nonce another program used again (exit code 5)."),
    ] = False,
    node: Node = None,
    contracts: Generation = None,
    keep: Keep = False,
    serve: Serve = None,
    as_json: Json = False,
) -> None:
    """Start or resume a scenario, and verify that all people arrived.

    With --again, one step is executed again, where that is safe; `repair` finds out by itself what is gone or wrong.
    """
    from cicscenario.cli import repair as repair_command
    from cicscenario.cli import run as run_command
    from cicscenario.cli.asking import ask
    from cicscenario.cli.ending import watched
    from cicscenario.cli.workspace import SandboxChoice
    from cicscenario.engine.select import Selection

    if fresh:
        ask(_FRESH_QUESTION, yes=yes, to="rename the run directory and start a new run (--fresh)")
    choice = SandboxChoice(node, contracts, keep)
    options = run_command.RunOptions(
        tuple(overrides),
        env,
        directory,
        Selection(until, since, tuple(only)),
        fresh=fresh,
        reconcile=reconcile,
        sandbox=choice,
        serve=serve,
    )
    about(scenario, overrides, env=env, directory=directory, node=node, contracts=contracts)
    verified = going_on("verify")
    others = {"--fresh": fresh, "--until": bool(until), "--since": bool(since), "--only": bool(only)}
    repair_command.require_fitting(again, tuple(person), failed=failed, others=others)
    if again is not None:
        repeated = repair_command.RepairOptions(
            tuple(overrides), env, directory, yes, again, tuple(person), failed, choice
        )
        end(
            watched(
                lambda listener: repair_command.repair(scenario, repeated, listener),
                verified,
                as_json=as_json,
                repaired=True,
            )
        )
    end(watched(lambda listener: run_command.run(scenario, options, listener), verified, as_json=as_json))


@run_app.command()
def repair(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")] = False,
    node: Node = None,
    contracts: Generation = None,
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Make again what the checks find gone or wrong, where that is safe, and verify.

    It asks the checks, shows what it would do and what it leaves alone, and asks before it changes anything. A gift is sent
    only where ledger and chain prove that none arrived. For a damaged state file there is `state repair`.
    """
    from cicscenario.cli import repair as repair_command
    from cicscenario.cli.ending import watched
    from cicscenario.cli.workspace import SandboxChoice

    choice = SandboxChoice(node, contracts, keep)
    options = repair_command.RepairOptions(tuple(overrides), env, directory, yes, sandbox=choice)
    about(scenario, overrides, env=env, directory=directory, node=node, contracts=contracts)
    verified = going_on("verify")
    end(
        watched(
            lambda listener: repair_command.repair(scenario, options, listener),
            verified,
            as_json=as_json,
            repaired=True,
        )
    )


@run_app.command()
def watch(
    scenario: Scenario,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    port: Port = 0,
) -> None:
    """Serve the page of a run, live, to browsers of this machine: one that is under way, has ended or was killed."""
    from cicscenario.cli import watch as watch_command

    end(watch_command.watch(scenario, overrides, directory, port))


@run_app.command()
def status(
    scenario: Scenario,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Show the progress of a run, from its state only."""
    from cicscenario.cli import status as status_command

    about(scenario, overrides, directory=directory)
    end(status_command.status(scenario, overrides, directory, fmt))


@run_app.command()
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

    about(scenario, overrides, env=env, directory=directory, node=node, contracts=contracts)
    choice = SandboxChoice(node, contracts, keep)
    asked = (scenario, overrides, env, directory, include, exclude, choice)
    end(watched(lambda listener: verify_command.verify(*asked, listener), as_given(), as_json=as_json))


@run_app.command()
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

    about(scenario, overrides, directory=directory)
    end(report_command.report(scenario, overrides, directory, fmt, output))


@run_app.command()
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

    about(scenario, overrides, directory=directory)
    if not pins:
        raise InvalidError("nothing to show was asked for", hint=f"{going_on('show', '--pins')} shows the PINs")
    end(show_command.pins(scenario, overrides, directory, out))


@run_app.command()
def export(
    scenario: Scenario,
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
) -> None:
    """Write the data directory of the old data-seeding tools, so that they can continue from it."""
    from cicscenario.cli import export as export_command

    about(scenario, overrides, directory=directory)
    end(export_command.export(scenario, target, overrides, directory))
