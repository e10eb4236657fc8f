"""``cicscenario stack dial``: a phone on the terminal, which calls the sandbox's phone interface."""

import getpass
import sys
from collections.abc import Iterator
from pathlib import Path

from cicscenario.api.phone import enter, phone_client, shown_on_phone
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.people.e164 import e164
from cicscenario.printable import say
from cicscenario.services.ussd import UssdClient
from cicscenario.services.ussd_limits import number_problem
from cicscenario.services.ussd_screens import Screen, State

_REGION = "KE"  # of numbers in national notation: where cic-ussd is used
_PIN = frozenset({State.PIN_ENTRY, State.PIN_CONFIRMATION, State.BALANCE_PIN, State.WRONG_PIN, State.INVALID_PIN})
_HIDDEN = "****"


def dial(home: Path, phone: str, text: str | None, session: str | None) -> ExitCode:
    """Dials for ``phone`` and shows each screen. ``text`` has the inputs, with ``*`` between them; it ends after the last.

    Without ``text`` the inputs are asked for, until the session is over. ``session`` is that of an earlier call, which goes
    on. Raises InvalidError for what is no phone number, and for inputs behind the end of the session.
    """
    number = e164(phone, _REGION)
    if problem := number_problem(number):
        raise InvalidError(problem)
    client = phone_client(home)
    try:
        screen = _begun(client, number, session)
        if text is None:
            _talk(client, screen)
        else:
            screen = enter(client, screen, text, typed=_type, seen=_show)
            if screen.goes_on:
                say(
                    f"the session goes on: cicscenario stack dial {number} TEXT --session {screen.session}",
                    stream=sys.stderr,
                )
    except (KeyboardInterrupt, EOFError):  # the person hangs up
        say()
    return ExitCode.OK


def _begun(client: UssdClient, phone: str, session: str | None) -> Screen:
    if session is not None:
        return Screen("CON", State.UNKNOWN, None, session, phone)
    screen = client.dial(phone)
    _show(screen)
    return screen


def _type(screen: Screen, word: str) -> None:
    say(f"> {_HIDDEN if screen.state in _PIN else word}")


def _talk(client: UssdClient, screen: Screen) -> None:
    while screen.goes_on:
        screen = client.send(screen, _asked(screen))
        _show(screen)


def _asked(screen: Screen) -> str:
    """What the person enters: a line of a pipe, or of the terminal, where PINs are not shown."""
    if not sys.stdin.isatty():
        say("> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.strip()
    return (getpass.getpass("> ") if screen.state in _PIN else input("> ")).strip()


def _show(screen: Screen) -> None:
    """A screen as a phone shows it: without the word that tells whether the session goes on."""
    say("\n".join(_lines(screen)), flush=True)


def _lines(screen: Screen) -> Iterator[str]:
    yield from shown_on_phone(screen).splitlines() or [""]
    if screen.goes_on is False:
        yield "(the session is over)"
