"""The command line: every command's options, and the only place where an error becomes text and an exit code.

A command's own code is loaded when it is called: help and completion answer at once.
"""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

from cicscenario import __version__
from cicscenario.errors import CicScenarioError, ExitCode

_EXIT_CODES = """Exit codes:

0 done, and every check found everybody; 1 checks found errors; 2 the scenario or the command line is invalid;
3 a service is missing or a step failed (run again to resume); 4 the state is locked or not of this scenario;
5 needs a person to reconcile; 70 internal error; 130 interrupted (run again to resume)."""

app = typer.Typer(
    cls=TyperGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fills a Community Inclusion Currency stack with the people of a scenario, and proves that everyone arrived.\n\n"
    + _EXIT_CODES,
)
stack_app = typer.Typer(no_args_is_help=True, help="The sandbox: a local stack with the upstream contracts.")
app.add_typer(stack_app, name="stack")

Scenario = Annotated[Path, typer.Argument(metavar="SCENARIO", help="The scenario file.", show_default=False)]
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
Node = Annotated[str | None, typer.Option("--node", metavar="embedded|anvil", help="The node of a sandbox to start.")]
Generation = Annotated[
    str | None,
    typer.Option("--contracts", metavar="classic|latest", help="The contract generation of a sandbox to start."),
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the sandbox up that this command started.")]
Json = Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")]
Format = Annotated[str, typer.Option("--format", metavar="text|json", help="The form of the output.")]


def _end(code: ExitCode) -> NoReturn:
    raise typer.Exit(code)


def _version(asked: bool) -> None:
    if asked:
        print(f"cicscenario {__version__}")
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
    until: Annotated[str | None, typer.Option(metavar="STEP", help="Stop after this step.")] = None,
    since: Annotated[str | None, typer.Option(metavar="STEP", help="Begin with this step.")] = None,
    only: Annotated[list[str], typer.Option(metavar="STEP", help="Only this step. Repeatable.")] = [],  # noqa: B006
    fresh: Annotated[bool, typer.Option("--fresh", help="Set the run directory aside and begin anew.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --fresh.")] = False,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="Send anew what lost its nonce to another program (after exit code 5).")
    ] = False,
    node: Node = None,
    contracts: Generation = None,
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Start a scenario, or resume it where it was, and verify that everybody arrived."""
    from cicscenario.cli import run as run_command
    from cicscenario.cli.workspace import SandboxChoice
    from cicscenario.report.listeners import listening

    if fresh and not yes and sys.stdin.isatty():
        typer.confirm("Everybody will be made anew, on the same chain. Set the run directory aside?", abort=True)
    choice = SandboxChoice(node, contracts, keep)
    options = run_command.RunOptions(
        tuple(overrides), env, directory, until, since, tuple(only), fresh=fresh, reconcile=reconcile, sandbox=choice
    )
    with listening(sys.stdout, as_json=as_json) as listener:
        code = run_command.run(scenario, options, listener)
    _end(code)


@app.command()
def plan(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Format = "text",
) -> None:
    """Show what a run would do, what it costs and what it needs, before anything is changed."""
    from cicscenario.cli import plan as plan_command

    _end(plan_command.plan(scenario, overrides, env, directory, fmt))


@app.command()
def validate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Scenarios, environments or folders of them.")],
    overrides: Overrides = [],  # noqa: B006
    fmt: Annotated[
        str, typer.Option("--format", metavar="text|json|gitlab|sarif|github", help="The form of the output.")
    ] = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
) -> None:
    """Check scenario and environment files: every error of a file at once, and warnings (L…) of what is hardly meant."""
    from cicscenario.cli import validate as validate_command

    _end(validate_command.validate(paths, overrides, fmt, strict=strict))


@app.command()
def config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario or an environment.", show_default=False)],
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    fmt: Format = "text",
) -> None:
    """Show every effective value of a file, and where it came from: file and line, --set, or the default."""
    from cicscenario.cli import config as config_command

    _end(config_command.config(file, overrides, env, fmt))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A scenario or folder, or REV:PATH in a git checkout.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same, after the change.")],
    fmt: Annotated[
        str, typer.Option("--format", metavar="text|markdown|json", help="The form of the output.")
    ] = "text",
) -> None:
    """Show what a change to scenarios means. Exit code 0: nothing, 1: they differ, 2: one is invalid."""
    from cicscenario.cli import diff as diff_command

    _end(diff_command.diff(before, after, fmt))


@app.command()
def status(
    scenario: Scenario,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Format = "text",
) -> None:
    """Show how far a run is, from its state alone."""
    from cicscenario.cli import status as status_command

    _end(status_command.status(scenario, overrides, directory, fmt))


@app.command()
def verify(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    include: Annotated[list[str], typer.Option(metavar="CHECK", help="Only this check. Repeatable.")] = [],  # noqa: B006
    exclude: Annotated[list[str], typer.Option(metavar="CHECK", help="Not this check. Repeatable.")] = [],  # noqa: B006
    node: Node = None,
    contracts: Generation = None,
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Ask the services again whether everybody arrived."""
    from cicscenario.cli import verify as verify_command
    from cicscenario.cli.workspace import SandboxChoice
    from cicscenario.report.listeners import listening

    choice = SandboxChoice(node, contracts, keep)
    with listening(sys.stdout, as_json=as_json) as listener:
        code = verify_command.verify(scenario, overrides, env, directory, include, exclude, choice, listener)
    _end(code)


@app.command()
def report(
    scenario: Scenario,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Annotated[
        str | None,
        typer.Option("--format", metavar="html|junit|markdown|openmetrics|json", help="One form, instead of all."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to write it, instead of stdout.")
    ] = None,
) -> None:
    """Write the reports of a run again, from its directory alone; without --format, all of them, beside the state."""
    from cicscenario.cli import report as report_command

    _end(report_command.report(scenario, overrides, directory, fmt, output))


@app.command()
def export(
    scenario: Scenario,
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
) -> None:
    """Write the data directory of the old data-seeding tools, so that they can go on from it."""
    from cicscenario.cli import export as export_command

    _end(export_command.export(scenario, target, overrides, directory))


@app.command()
def new(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The scenario file to write.")],
    name: Annotated[str | None, typer.Option(help="The scenario's name. Default: the file's.")] = None,
    size: Annotated[int | None, typer.Option(help="Number of people.")] = None,
    backend: Annotated[str | None, typer.Option(metavar="KIND", help="How accounts come to be.")] = None,
    gift: Annotated[int | None, typer.Option(metavar="TOKENS", help="Most that anybody gets, in whole tokens.")] = None,
    metadata: Annotated[list[str], typer.Option(metavar="KIND,...", help="Metadata to write. Repeatable.")] = [],  # noqa: B006
    overrides: Overrides = [],  # noqa: B006
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; what is not given has a default.")] = False,
) -> None:
    """Write a commented scenario to begin with; on a terminal, ask what is not given."""
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
        str | None, typer.Argument(metavar="KEY", help="A key such as gift.threshold, or an error code.")
    ] = None,
) -> None:
    """Explain a key of the scenario language, or an error code; without one, list the keys."""
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
        typer.Option("--fault", metavar="SERVICE.NAME[=VALUE]", help="A fault to live with. Repeatable."),
    ] = [],  # noqa: B006
    dialect: Annotated[
        str | None, typer.Option("--dialect", metavar="2021", help="The phone interface speaks as it did then.")
    ] = None,
) -> None:
    """Start the sandbox with all its services, or find the one that is up."""
    from cicscenario.cli import stack as stack_command
    from cicscenario.cli.workspace import home

    _end(stack_command.up(home(), node=node, contracts=contracts, services=services, faults=faults, dialect=dialect))


@stack_app.command("down")
def stack_down(
    purge: Annotated[bool, typer.Option("--purge", help="Delete its chain and data too.")] = False,
) -> None:
    """Stop the sandbox; its chain goes on where it was at the next start."""
    from cicscenario.cli import stack as stack_command
    from cicscenario.cli.workspace import home

    _end(stack_command.down(home(), purge=purge))


@stack_app.command("status")
def stack_status(fmt: Format = "text") -> None:
    """Show what is running, where, and whether it answers."""
    from cicscenario.cli import stack as stack_command
    from cicscenario.cli.workspace import home

    _end(stack_command.status(home(), fmt=fmt))


def boundary(body: Callable[[], object]) -> ExitCode:
    """Runs a command; turns what it raises into a message on stderr and an exit code."""
    try:
        body()
    except CicScenarioError as error:
        print(f"error: {error.message}" if not error.message.startswith("error") else error.message, file=sys.stderr)
        if error.hint:
            print(f"  next: {error.hint}", file=sys.stderr)
        if error.exit_code in _RESUMABLE:
            print(f"  resume: {_command_line()}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted before anything was under way", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; there is nobody to tell
        return ExitCode.OK
    except SystemExit as end:
        return ExitCode(end.code) if isinstance(end.code, int) else ExitCode.INTERNAL
    except Exception:
        traceback.print_exc()
        print("internal error: this is a bug in cicscenario; please report the lines above", file=sys.stderr)
        return ExitCode.INTERNAL
    return ExitCode.OK


_RESUMABLE = (ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED)


def _command_line() -> str:
    """The command as it was given: running it again resumes. What decides something once is left out."""
    return " ".join(["cicscenario", *(word for word in sys.argv[1:] if word not in ("--fresh", "--reconcile"))])


def main() -> None:
    """Entry point of the ``cicscenario`` command."""
    sys.exit(boundary(app))
