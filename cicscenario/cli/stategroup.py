"""The commands of ``cicscenario state`` and their options."""

from typing import Annotated

import typer

from cicscenario.cli.boundary import end
from cicscenario.cli.options import Directory, Env, Format, OutputForm, Overrides, Place

state_app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="The state of a run: what it holds, whether it is sound, its repair.",
)


@state_app.command("show")
def state_show(
    place: Place,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
    fmt: Format = OutputForm.TEXT,
) -> None:
    """Show what a state holds, also a damaged one: identity, rows, steps, nonces, and its damage."""
    from cicscenario.cli import state as state_command

    end(state_command.show(state_command.named(place, overrides, None, directory), fmt))


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

    end(state_command.verify(state_command.named(place, overrides, env, directory), services=services))


@state_app.command("repair")
def state_repair(
    place: Place,
    env: Env = None,
    overrides: Overrides = [],  # noqa: B006
    directory: Directory = None,
) -> None:
    """Make a damaged state anew from what can be proven; the next run looks up the rest. The damaged file is kept.

    Exit code 5: something cannot be proven; it is named and left out. For what is gone or wrong in the services, there is
    `cicscenario repair`.
    """
    from cicscenario.cli import state as state_command

    end(state_command.repair(state_command.named(place, overrides, env, directory)))
