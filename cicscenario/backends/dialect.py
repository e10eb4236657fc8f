"""The option `dialect`: the version of cic-ussd, for backends whose people have accounts in the phone interface."""

from cicscenario.language import Rule, Scenario

DIALECT = {
    "description": "The version of cic-ussd: `current` creates the account when the language is chosen; `2021` creates it at"
    " the first dial and asks for the language afterwards. `cic_ussd` and `existing` only.",
    "type": "string",
    "enum": ["current", "2021"],
    "default": "current",
    "examples": ["2021"],
    "x-since": "0.1.0",
}


def _unreadable(scenario: Scenario) -> tuple[str, ...] | None:
    """The key to blame for PINs that cic-ussd of 2021 cannot read."""
    bcrypt = scenario.pins is not None and scenario.pins.scheme == "bcrypt"
    return ("pins",) if bcrypt and scenario.backend.option("dialect") == "2021" else None


READABLE_PINS = Rule(
    ("backend.dialect", "pins.scheme"),
    _unreadable,
    "PINs of the scheme bcrypt for cic-ussd of 2021, which cannot read them",
    "set `pins.scheme: fernet`, and `accounts.pepper` in the environment file",
)
