"""The commands of ``cicscenario stack`` that look into a sandbox that is up, and their options."""

from enum import StrEnum
from typing import Annotated

import typer

from cicscenario.cli import completion
from cicscenario.cli.boundary import end
from cicscenario.cli.options import Format, OutputForm

faults_app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)


class EnvForm(StrEnum):
    """The output format of ``stack env``."""

    SHELL = "shell"
    JSON = "json"
    DOTENV = "dotenv"


def add_to(stack_app: typer.Typer) -> None:
    """Adds the commands to the group."""
    stack_app.command("env")(stack_env)
    stack_app.command("logs")(stack_logs)
    stack_app.command("dial")(stack_dial)
    stack_app.command("people")(stack_people)
    stack_app.add_typer(faults_app, name="faults")


def stack_env(
    fmt: Annotated[EnvForm, typer.Option("--format", help="The form of the output.")] = EnvForm.SHELL,
) -> None:
    """Print every address and user of the sandbox, and the files that have its passwords and keys.

    In a shell: eval "$(cicscenario stack env)"
    """
    from cicscenario.api.home import home
    from cicscenario.cli import stackenv

    end(stackenv.env(home(), fmt))


def stack_logs(
    service: Annotated[
        str,
        typer.Argument(metavar="SERVICE", help="Whose log.", show_default=False, autocompletion=completion.services),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what it writes, until ^C or until it is down.")
    ] = False,
) -> None:
    """Print the log of a service since its last start."""
    from cicscenario.api.home import home
    from cicscenario.cli import stacklogs

    end(stacklogs.logs(home(), service, follow=follow))


def stack_dial(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="The number that calls.", show_default=False)],
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="The inputs, such as 1*2. Default: asks for them.", show_default=False),
    ] = None,
    session: Annotated[str | None, typer.Option("--session", metavar="ID", help="Go on with this session.")] = None,
) -> None:
    """Call the sandbox's phone interface, as from a phone, and show its screens."""
    from cicscenario.api.home import home
    from cicscenario.cli import dial

    end(dial.dial(home(), phone, text, session))


def stack_people(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Show the people of all runs in the home folder: name, phone number, account and run."""
    from cicscenario.api.home import home
    from cicscenario.cli import people

    end(people.people(home(), as_json=as_json))


@faults_app.callback()
def stack_faults(context: typer.Context, fmt: Format = OutputForm.TEXT) -> None:
    """Show every service's fault switches, what each does, and which are on; or turn them on and off."""
    if context.invoked_subcommand is None:
        from cicscenario.api.home import home
        from cicscenario.cli import stackfaults

        end(stackfaults.listed(home(), fmt))


@faults_app.command("set")
def stack_faults_set(
    faults: Annotated[
        list[str],
        typer.Argument(
            metavar="SERVICE.NAME[=VALUE]", help="The faults.", show_default=False, autocompletion=completion.faults
        ),
    ],
) -> None:
    """Turn faults on while the sandbox is up. Their services start again; what else is on stays on."""
    from cicscenario.api.home import home
    from cicscenario.cli import stackfaults

    end(stackfaults.turned_on(home(), faults))


@faults_app.command("clear")
def stack_faults_clear(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="SERVICE.NAME",
            help="The faults. Default: all.",
            show_default=False,
            autocompletion=completion.faults,
        ),
    ] = [],  # noqa: B006
) -> None:
    """Turn faults off while the sandbox is up. Their services start again."""
    from cicscenario.api.home import home
    from cicscenario.cli import stackfaults

    end(stackfaults.turned_off(home(), names))
