"""Compares the version of cic-ussd in the scenario with that of the services.

A wrong one shows before a run changes anything: the account table of 2021 has no column ``guardians``, and its interface no
``/health-check``. Source: cic-ussd, its migrations and ``cic_user_ussd_server``, in the versions of August 2021 to May 2022.
"""

from collections.abc import Iterator

from cicscenario.capabilities.cost import Need
from cicscenario.capabilities.descriptor import Survey
from cicscenario.errors import UnavailableError
from cicscenario.services.ussd_screens import Dialect, dialect_words, use


def dialect_needs(survey: Survey) -> list[Need]:
    """Compares the dialect and the scheme of the PINs with the server's, as far as these can be seen.

    Where a service cannot be asked, nothing is said about it.
    """
    signs = dict(_signs(survey))
    table, interface = signs.get("table"), signs.get("interface")
    found = []
    if table and interface and table[0] is Dialect.OF_2021 and interface[0] is Dialect.CURRENT:
        words = f"{table[1]}, as in 2021, but {interface[1]}, as since 2022"
        hint = "is `accounts` in the environment file the database of this phone interface?"
        found.append(Need("one cic-ussd", "a table and an interface of one version", words, ok=False, hint=hint))
    elif seen := table or interface:
        wanted = Dialect(survey.scenario.backend.option("dialect"))
        dialect, sign = seen
        if dialect is not wanted:
            words = f"cic-ussd {dialect_words(dialect)}: {sign}"
            found.append(
                Need("backend.dialect", f"cic-ussd {dialect_words(wanted)}", words, ok=False, hint=use(dialect))
            )
    return found + _pin_needs(survey, [sign for dialect, sign in signs.values() if dialect is Dialect.OF_2021])


def _signs(survey: Survey) -> Iterator[tuple[str, tuple[Dialect, str]]]:
    """The dialect that the account table has, and that the interface has, each with what shows it."""
    services, environment = survey.services, survey.services.environment
    if environment.accounts:
        try:
            has = services.accounts.has_guardians()
            dialect = Dialect.CURRENT if has else Dialect.OF_2021
            sign = f"table `account` of {services.accounts.name} has {'a' if has else 'no'} column `guardians`"
            yield "table", (dialect, sign)
        except UnavailableError:
            pass
    if environment.ussd and (seen := services.ussd.dialect()):
        answers = "answers" if seen is Dialect.CURRENT else "has no"
        yield "interface", (seen, f"phone interface {services.ussd.address} {answers} /health-check")


def _pin_needs(survey: Survey, old: list[str]) -> list[Need]:
    """Whether the server reads PINs of the scenario's scheme. ``old`` are the signs of a version before March 2022."""
    pins = survey.scenario.pins
    if pins is None:
        return []
    if old and pins.scheme == "bcrypt":
        words = f"bcrypt, but {old[0]}: before March 2022, cic-ussd reads fernet only"
        hint = "set `pins.scheme: fernet`, and `accounts.pepper` in the environment file"
        return [Need("pins.scheme", "PINs that the server can read", words, ok=False, hint=hint)]
    held = survey.services.accounts.pin_schemes()
    if not held or pins.scheme in held:
        return []
    words = f"{pins.scheme}, but the newest PINs in the account table are {' and '.join(sorted(held))}"
    hint = "a server reads one scheme only: are those PINs read?"
    return [Need("pins.scheme", "PINs that the server can read", words, ok=True, hint=hint, warns=True)]
