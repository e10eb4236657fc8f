"""Calls to the phone interface of a sandbox, as from a phone."""

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


def dialled(home: Path, phone: str, inputs: str = "") -> str:
    """Dials for ``phone`` and enters ``inputs``, with ``*`` between them; gives the last screen, as the phone shows it.

    Raises InvalidError when the session is over before the last input, and UnavailableError when nobody answers.
    """
    client, words = phone_client(home), [word for word in inputs.split("*") if word]
    screen = client.dial(phone)
    for number, word in enumerate(words):
        if not screen.goes_on:
            raise InvalidError(
                f"the session was over before {len(words) - number} of {len(words)} inputs; its last screen:"
                f" {shown_on_phone(screen)}"
            )
        screen = client.send(screen, word)
    return shown_on_phone(screen)
