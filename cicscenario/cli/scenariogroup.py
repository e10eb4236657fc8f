"""The commands about scenario files, and their options."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cicscenario.cli import completion
from cicscenario.cli.boundary import end
from cicscenario.cli.options import (
    DiffForm,
    DiffFormat,
    Directory,
    Env,
    FindingsForm,
    FindingsFormat,
    Format,
    OutputForm,
    Overrides,
    Scenario,
)

scenario_app = typer.Typer(rich_markup_mode=None)


@scenario_app.command()
def plan(
    scenario: Scenario,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Show what a run would do, what it costs and what it needs, before anything is changed."""
    from cicscenario.api.naming import about
    from cicscenario.cli import plan as plan_command

    about(scenario, overrides, env=env, directory=directory)

    end(plan_command.plan(scenario, overrides, env, directory, fmt))


@scenario_app.command()
def validate(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Scenarios, environments, profiles or folders of them.")
    ],
    overrides: Overrides = [],  # noqa: B006
    fmt: FindingsFormat = FindingsForm.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
) -> None:
    """Check scenarios, environments and profiles: shows all errors of a file, and warnings (L…) about probable mistakes."""
    from cicscenario.cli import validate as validate_command

    end(validate_command.validate(paths, overrides, fmt, strict=strict))


@scenario_app.command()
def config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario or an environment.", show_default=False)],
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Show every effective value of a file and its origin: file and line, --set, or the default."""
    from cicscenario.cli import config as config_command

    end(config_command.config(file, overrides, env, fmt))


@scenario_app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A scenario or folder, or REV:PATH in a git checkout.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same, after the change.")],
    fmt: DiffFormat = DiffForm.TEXT,
) -> None:
    """Show the effects of a change to scenarios. Exit code 0: no difference, 1: they differ, 2: one is invalid."""
    from cicscenario.cli import diff as diff_command

    end(diff_command.diff(before, after, fmt))


@scenario_app.command()
def profile(
    people: Annotated[
        Path,
        typer.Argument(metavar="DIR|CSV", help="A data directory of the old tools, or a CSV file.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The file to write. Default: print.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The profile's name. Default: the file's.")] = None,
    measured: Annotated[
        str | None, typer.Option(metavar="DAY", help="The day of the figures. Default: the last day of joining.")
    ] = None,
    region: Annotated[str, typer.Option(metavar="COUNTRY", help="Country of numbers in national notation.")] = "KE",
) -> None:
    """Measure the make-up of people: a profile for `population.profile`, of counts only, without names and numbers."""
    from cicscenario.cli import profile as profile_command

    end(profile_command.profile(people, output, name=name, measured=measured, region=region))


@scenario_app.command()
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
    end(new_command.new(path, name=name, answers=[*answers, *overrides], ask=_ask if asks else None))


def _ask(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default))


@scenario_app.command()
def fmt(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Scenarios, environments or folders of them.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when a file would change.")
    ] = False,
) -> None:
    """Lay out files: indentation, spaces and blank lines. Comments, the order of keys and the meaning stay."""
    from cicscenario.cli import fmt as fmt_command

    end(fmt_command.fmt(paths, check=check))


@scenario_app.command()
def schema(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The folder to write the schemas to.", show_default=False)
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="scenario|environment|profile", help="Which schema to print without DIR.")
    ] = "scenario",
) -> None:
    """Write the JSON schemas for editors, with the names that installed packages add; or print one of them."""
    from cicscenario.cli import schema as schema_command

    end(schema_command.schema(folder, kind))


@scenario_app.command()
def explain(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="KEY",
            help="A key such as gift.threshold, a step, a check, a fault, an exit code or an error code.",
            autocompletion=completion.explained,
        ),
    ] = None,
) -> None:
    """Explain a key of either kind of file, a step, check, backend, fault, or code. Without one, list them."""
    from cicscenario.cli import explain as explain_command

    end(explain_command.explain(key))
