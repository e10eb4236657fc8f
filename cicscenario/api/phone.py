"""Calls to the phone interface of a sandbox, as from a phone."""

from collections.abc import Callable
from pathlib import Path

from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.sandbox.record import dialect_of
from cicscenario.sandbox.seen import look
from cicscenario.services.ussd import UssdClient
from cicscenario.services.ussd_screens import Dialect, Screen


def phone_client(home: Path) -> UssdClient:
    """A client of the phone interface of the sandbox in ``home``. Raises UnavailableError when it is not up."""
    site = look(home)
    if "ussd" not in site.running:
        raise UnavailableError(
            "the sandbox's phone interface is not up", hint="start it: cicscenario stack up --service ussd"
        )
    return UssdClient(site.url("ussd"), dialect=Dialect(dialect_of(site.record.options) or Dialect.CURRENT))


def shown_on_phone(screen: Screen) -> str:
    """A screen as a phone shows it: without the word that tells whether the session goes on."""
    return (screen.text[3:] if screen.goes_on is not None else screen.text).strip()


def enter(
    client: UssdClient,
    screen: Screen,
    inputs: str,
    *,
    typed: Callable[[Screen, str], None] = lambda screen, word: None,
    seen: Callable[[Screen], None] = lambda screen: None,
) -> Screen:
    """Enters ``inputs``, with ``*`` between them, in the session that shows ``screen``; gives the last screen.

    ``typed`` is called with each screen and what is entered there, before it is sent; ``seen`` with each screen that follows.
    Raises InvalidError when the session is over before the last input, and UnavailableError when nobody answers.
    """
    words = [word for word in inputs.split("*") if word]
    for number, word in enumerate(words):
        if not screen.goes_on:
            raise InvalidError(
                f"the session was over before {len(words) - number} of {len(words)} inputs; its last screen:"
                f" {shown_on_phone(screen)}"
            )
        typed(screen, word)
        screen = client.send(screen, word)
        seen(screen)
    return screen


def dialled(home: Path, phone: str, inputs: str = "") -> str:
    """Dials for ``phone`` and enters ``inputs``; gives the last screen, as the phone shows it. See ``enter``."""
    client = phone_client(home)
    return shown_on_phone(enter(client, client.dial(phone), inputs))
