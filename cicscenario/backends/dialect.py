"""The option of backends whose people are in a phone interface: which version of cic-ussd that is."""

DIALECT = {
    "description": "Which cic-ussd is spoken to: `current` creates the account when the language is chosen, `2021` at the"
    " first dial and asks for the language afterwards; `cic_ussd` and `existing` only.",
    "type": "string",
    "enum": ["current", "2021"],
    "default": "current",
    "examples": ["2021"],
    "x-since": "0.1.0",
}
