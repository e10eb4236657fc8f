"""The commands about a run, and their options."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cicscenario.api.naming import about
from cicscenario.cli.boundary import end
from cicscenario.cli.commandline import as_given
from cicscenario.cli.options import (
    Again,
    Color,
    Deadline,
    Directory,
    Env,
    Exclude,
    Failed,
    FailFast,
    Format,
    Generation,
    Include,
    Json,
    Keep,
    Node,
    Only,
    OutputForm,
    Overrides,
    Pace,
    Persons,
    Port,
    ReportFormat,
    RunPlace,
    Scenario,
    Serve,
    Since,
    Until,
    Verbose,
)
from cicscenario.cli.serveoption import WithServe
from cicscenario.errors import InvalidError
from cicscenario.invocation import going_on
from cicscenario.printable import Colour

if TYPE_CHECKING:  # help is to be fast
    from cicscenario.cli.matrix import OnPlace

run_app = typer.Typer(rich_markup_mode=None)

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
        bool,
        typer.Option("--yes", help="Do not ask before --fresh, --again and --save. Needed where there is no terminal."),
    ] = False,
    reconcile: Annotated[
        bool,
        typer.Option("--reconcile", help="Send transactions whose nonce another program used again (exit code 5)."),
    ] = False,
    node: Node = None,
    contracts: Generation = None,
    pace: Pace = None,
    keep: Keep = False,
    fail_fast: FailFast = False,
    deadline: Deadline = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="N",
            min=0,
            max=256,
            help="Start N workers for slow work, such as keystore files, at the Redis of the environment.",
        ),
    ] = 0,
    save: Annotated[
        str | None,
        typer.Option(
            "--save", metavar="NAME|FILE.zst", help="Save the sandbox when the run ends well; see `stack save`."
        ),
    ] = None,
    serve: Serve = None,
    as_json: Json = False,
    color: Color = Colour.AUTO,
    verbose: Verbose = False,
) -> None:
    """Start or resume a scenario, and verify that all people arrived.

    With a matrix: each combination, one after the other; --set KEY=VALUE chooses those with this value.
    With --again, one step is executed again, where that is safe; `repair` finds out by itself what is gone or wrong.
    """
    from cicscenario.api.actions import RunOptions
    from cicscenario.api.runplace import RunPlace, SandboxChoice
    from cicscenario.cli import repair as repair_command
    from cicscenario.cli import run as run_command
    from cicscenario.cli.asking import ask
    from cicscenario.cli.deadlineoption import deadline_of
    from cicscenario.cli.ending import watched
    from cicscenario.cli.matrix import MatrixCommand, go_through, several
    from cicscenario.engine.select import Selection
    from cicscenario.report.listeners import View

    if fresh:
        ask(_FRESH_QUESTION, yes=yes, to="rename the run directory and start a new run (--fresh)")
    saved = None
    if save is not None:
        from cicscenario.cli.snapshot import place_to_save

        saved = place_to_save(save, yes=yes)
    place = RunPlace(scenario, tuple(overrides), directory, env, SandboxChoice(node, contracts, keep, pace))
    until_when = deadline_of(deadline)
    options = RunOptions(Selection(until, since, tuple(only)), fresh, reconcile, saved, until_when, workers)
    about(scenario, overrides, env=env, directory=directory, node=node, contracts=contracts, pace=pace)
    verified = going_on("verify")
    others = {
        "--fresh": fresh,
        "--until": bool(until),
        "--since": bool(since),
        "--only": bool(only),
        "--save": bool(save),
    }
    repair_command.require_fitting(again, tuple(person), failed=failed, others=others)
    view = View(as_json, color, verbose)
    if again is not None:
        repeated = repair_command.RepairOptions(yes, again, tuple(person), failed, until_when)
        end(watched(lambda listener: repair_command.repair(place, repeated, listener), verified, view, repaired=True))
    body: OnPlace = lambda one, listener: run_command.run(one, options, listener, serve)  # noqa: E731
    if found := [] if reconcile or save else several(scenario, overrides):
        end(go_through(MatrixCommand(place, view, fail_fast, deadline=until_when), found, body))
    end(watched(lambda listener: body(place, listener), verified, view))


@run_app.command()
def repair(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")] = False,
    node: Node = None,
    contracts: Generation = None,
    pace: Pace = None,
    keep: Keep = False,
    deadline: Deadline = None,
    as_json: Json = False,
    color: Color = Colour.AUTO,
    verbose: Verbose = False,
) -> None:
    """Make again what the checks find gone or wrong, where that is safe, and verify.

    It asks the checks, shows what it would do and what it leaves alone, and asks before it changes anything. A gift is sent
    only where ledger and chain prove that none arrived. For a damaged state file there is `state repair`.
    """
    from cicscenario.api.runplace import RunPlace, SandboxChoice
    from cicscenario.cli import repair as repair_command
    from cicscenario.cli.deadlineoption import deadline_of
    from cicscenario.cli.ending import watched
    from cicscenario.report.listeners import View

    place = RunPlace(scenario, tuple(overrides), directory, env, SandboxChoice(node, contracts, keep, pace))
    options = repair_command.RepairOptions(yes, deadline=deadline_of(deadline))
    about(scenario, overrides, env=env, directory=directory, node=node, contracts=contracts, pace=pace)
    view = View(as_json, color, verbose)
    body = lambda listener: repair_command.repair(place, options, listener)  # noqa: E731
    end(watched(body, going_on("verify"), view, repaired=True))


@run_app.command()
def runs(fmt: Format = OutputForm.TEXT) -> None:
    """List the runs in the home folder, the last one first: verdict, people, and the time that it took.

    Began and took are those of the last command about the run (run, verify or repair), as its last line and `status` tell
    them. Steps is the time of the steps and checks in all commands so far, which is the axis of the report's timeline.
    """
    from cicscenario.cli import runs as runs_command

    end(runs_command.runs(fmt))


@run_app.command()
def compare(
    first: RunPlace,
    second: RunPlace,
    slower: Annotated[
        float,
        typer.Option(
            "--slower",
            metavar="PERCENT",
            min=0,
            help="A step is slower when a person takes so many percent more time (100: twice the time).",
        ),
    ] = 25.0,
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Compare two runs: what is slower in the second, and what fails there and did not fail in the first.

    From 174 to 107 people per second, a person takes 63 % more time. A step is slower when that is more than PERCENT,
    and the step took at least a second longer by it.

    Exit code 0: nothing is; 1: something is slower, or fails now.
    """
    from cicscenario.cli import runs as runs_command

    end(runs_command.compare(first, second, slower, fmt))


@run_app.command()
def watch(
    scenario: Scenario,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    port: Port = 0,
) -> None:
    """Serve the page of a run, live, to browsers of this machine: one that is under way, has ended or was killed."""
    from cicscenario.cli import watch as watch_command

    about(scenario, overrides, directory=directory, recalls=True)
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

    about(scenario, overrides, directory=directory, recalls=True)
    end(status_command.status(scenario, overrides, directory, fmt))


@run_app.command()
def worker(
    env: Annotated[
        Path,
        typer.Option("--env", metavar="FILE", help="The environment file, for its section `workers` and its services."),
    ],
    broker: Annotated[
        str | None,
        typer.Option("--broker", metavar="URL", help="Another address of the Redis than that of `workers.broker`."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, max=1024, help="Tasks at a time. Default: one for each core."),
    ] = None,
) -> None:
    """Do slow work of runs: keystore files, PIN hashes, metadata. It joins all runs of its broker, until ^C.

    A standard keystore file takes 256 MiB of memory for each task at a time.
    """
    from cicscenario.cli import worker as worker_command

    end(worker_command.worker(env, broker, threads))


@run_app.command()
def verify(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    include: Include = [],  # noqa: B006
    exclude: Exclude = [],  # noqa: B006
    thorough: Annotated[
        bool,
        typer.Option("--thorough", help="Verify every PIN against its hash, and not one in 20. This is slow."),
    ] = False,
    node: Node = None,
    contracts: Generation = None,
    pace: Pace = None,
    keep: Keep = False,
    deadline: Deadline = None,
    as_json: Json = False,
    color: Color = Colour.AUTO,
    verbose: Verbose = False,
) -> None:
    """Ask the services again whether all people arrived."""
    from cicscenario.api.actions import VerifyOptions
    from cicscenario.api.runplace import RunPlace, SandboxChoice
    from cicscenario.cli import verify as verify_command
    from cicscenario.cli.deadlineoption import deadline_of
    from cicscenario.cli.ending import watched
    from cicscenario.cli.matrix import MatrixCommand, go_through, several
    from cicscenario.report.listeners import View

    about(scenario, overrides, env=env, directory=directory, node=node, contracts=contracts, pace=pace)
    place = RunPlace(scenario, tuple(overrides), directory, env, SandboxChoice(node, contracts, keep, pace))
    view = View(as_json, color, verbose)
    until_when = deadline_of(deadline)
    options = VerifyOptions(tuple(include), tuple(exclude), thorough, until_when)
    body: OnPlace = lambda one, listener: verify_command.verify(one, options, listener)  # noqa: E731
    if found := several(scenario, overrides):
        end(go_through(MatrixCommand(place, view, name="verify", again=as_given, deadline=until_when), found, body))
    end(watched(lambda listener: body(place, listener), as_given(), view))


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

    about(scenario, overrides, directory=directory, recalls=True)
    end(report_command.report(scenario, overrides, directory, fmt, output))


@run_app.command()
def show(
    scenario: Scenario,
    person: Annotated[
        str | None,
        typer.Argument(
            metavar="PERSON",
            help="Index, phone number, account, transaction hash, request, or words of the name.",
            show_default=False,
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no service: show what the state has.")] = False,
    pins: Annotated[
        bool, typer.Option("--pins", help="The PIN of each person in clear, as CSV: phone, name and PIN.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write it to this file, such as pins-plain.csv, for its owner only."
        ),
    ] = None,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Show one person: steps, checks, transactions, requests, and what the services have now. Or show all PINs."""
    from cicscenario.api.runplace import RunPlace
    from cicscenario.cli import person as person_command
    from cicscenario.cli import show as show_command

    about(scenario, overrides, env=env, directory=directory, recalls=True)
    if person is None and not pins:
        hint = f"{going_on('show', 'PERSON')} shows a person, and {going_on('show', '--pins')} the PINs of all"
        raise InvalidError("nothing to show was asked for", hint=hint)
    if person is None:
        end(show_command.pins(scenario, overrides, directory, out))
    if pins or out:
        raise InvalidError("PERSON and --pins are two questions", hint="ask one after the other")
    place = RunPlace(scenario, tuple(overrides), directory, env)
    end(person_command.person(place, person, offline=offline, fmt=fmt))


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
