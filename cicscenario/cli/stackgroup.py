"""The commands of ``cicscenario stack``, and their options."""

from typing import Annotated

import typer

from cicscenario.cli import completion, stackseen
from cicscenario.cli.boundary import end
from cicscenario.cli.options import Format, Generation, Node, OutputForm, Pace

stack_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="The sandbox: a local stack with the upstream contracts."
)
_SNAPSHOT = "A name in the home folder's `snapshots`, or a path that ends in .zst."


@stack_app.command("up")
def stack_up(
    node: Node = None,
    contracts: Generation = None,
    pace: Pace = None,
    services: Annotated[
        list[str],
        typer.Option(
            "--service",
            metavar="SERVICE",
            help="Only this service and what it needs. Repeatable.",
            autocompletion=completion.services,
        ),
    ] = [],  # noqa: B006
    faults: Annotated[
        list[str],
        typer.Option(
            "--fault",
            metavar="SERVICE.NAME[=VALUE]",
            help="A fault to inject. Repeatable.",
            autocompletion=completion.faults,
        ),
    ] = [],  # noqa: B006
    dialect: Annotated[
        str | None, typer.Option("--dialect", metavar="2021", help="The cic-ussd version of the phone interface.")
    ] = None,
    port_base: Annotated[
        int | None,
        typer.Option(
            "--port-base",
            metavar="N",
            min=0,
            max=65531,
            help="Use the ports from N up, from now on; 0: any that are free.",
        ),
    ] = None,
    upstream_ports: Annotated[
        bool, typer.Option("--upstream-ports", help="Use the ports of the upstream docker-compose.yml, from now on.")
    ] = False,
    snapshot: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME|FILE.zst", help="Restore this snapshot first; see `stack restore`."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before --from. Needed where there is no terminal.")
    ] = False,
) -> None:
    """Start the sandbox with all its services, or use the one that is up."""
    from cicscenario.api.home import made_home
    from cicscenario.cli import stack as stack_command

    ports = stack_command.chosen_ports(port_base, upstream=upstream_ports)
    if snapshot is not None:
        from cicscenario.cli import snapshot as snapshot_command

        options = snapshot_command.UpOptions(node, contracts, services, faults, dialect, ports, pace)
        end(snapshot_command.up(snapshot, options, yes=yes))
    end(
        stack_command.up(
            made_home(),
            node=node,
            contracts=contracts,
            services=services,
            faults=faults,
            dialect=dialect,
            pace=pace,
            ports=ports,
        )
    )


@stack_app.command("down")
def stack_down(
    purge: Annotated[bool, typer.Option("--purge", help="Delete its chain and data too.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before --purge. Needed where there is no terminal.")
    ] = False,
) -> None:
    """Stop the sandbox, unless a run uses it. The next start continues with the same chain."""
    from cicscenario.api.home import home
    from cicscenario.cli import stack as stack_command
    from cicscenario.cli.asking import ask

    if purge:
        folder = home() / "sandbox"
        ask(f"{folder} will be deleted: its chain, and everybody in it. Delete it?", yes=yes, to=f"delete {folder}")
    end(stack_command.down(home(), purge=purge))


@stack_app.command("save")
def stack_save(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.zst", help=_SNAPSHOT, show_default=False)],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before one is replaced. Needed where there is no terminal.")
    ] = False,
) -> None:
    """Save the sandbox and its runs as one file, keys included. Its services are stopped meanwhile."""
    from cicscenario.cli import snapshot as snapshot_command

    end(snapshot_command.save(name, yes=yes))


@stack_app.command("restore")
def stack_restore(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.zst", help=_SNAPSHOT, show_default=False)],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before a sandbox is replaced. Needed where there is no terminal.")
    ] = False,
) -> None:
    """Make the sandbox and its runs again from a snapshot, in the place of the sandbox that is there."""
    from cicscenario.cli import snapshot as snapshot_command

    end(snapshot_command.restored(name, yes=yes))


@stack_app.command("list")
def stack_list(fmt: Format = OutputForm.TEXT) -> None:
    """Show the snapshots in the home folder: when each was made, its size, and its runs."""
    from cicscenario.cli import snapshot as snapshot_command

    end(snapshot_command.listed(fmt))


@stack_app.command("status")
def stack_status(fmt: Format = OutputForm.TEXT) -> None:
    """Show each service of the sandbox: its address, and whether it answers."""
    from cicscenario.api.home import home
    from cicscenario.cli import stack as stack_command

    end(stack_command.status(home(), fmt=fmt))


stackseen.add_to(stack_app)
