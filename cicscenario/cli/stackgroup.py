"""The commands of ``cicscenario stack``, and their options."""

from typing import Annotated

import typer

from cicscenario.cli.boundary import end
from cicscenario.cli.options import Format, Generation, Node, OutputForm

stack_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="The sandbox: a local stack with the upstream contracts."
)


@stack_app.command("up")
def stack_up(
    node: Node = None,
    contracts: Generation = None,
    services: Annotated[
        list[str], typer.Option("--service", metavar="SERVICE", help="Only this service and what it needs. Repeatable.")
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
    from cicscenario.cli.home import made_home

    end(
        stack_command.up(made_home(), node=node, contracts=contracts, services=services, faults=faults, dialect=dialect)
    )


@stack_app.command("down")
def stack_down(
    purge: Annotated[bool, typer.Option("--purge", help="Delete its chain and data too.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before --purge. Needed where there is no terminal.")
    ] = False,
) -> None:
    """Stop the sandbox, unless a run uses it. The next start continues with the same chain."""
    from cicscenario.cli import stack as stack_command
    from cicscenario.cli.asking import ask
    from cicscenario.cli.home import home

    if purge:
        folder = home() / "sandbox"
        ask(f"{folder} will be deleted: its chain, and everybody in it. Delete it?", yes=yes, to=f"delete {folder}")
    end(stack_command.down(home(), purge=purge))


@stack_app.command("status")
def stack_status(fmt: Format = OutputForm.TEXT) -> None:
    """Show each service of the sandbox: its address, and whether it answers."""
    from cicscenario.cli import stack as stack_command
    from cicscenario.cli.home import home

    end(stack_command.status(home(), fmt=fmt))
