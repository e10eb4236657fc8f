"""The option `dialect`: the version of cic-ussd, for backends whose people have accounts in the phone interface."""

DIALECT = {
    "description": "The version of cic-ussd: `current` creates the account when the language is chosen; `2021` creates it at"
    " the first dial and asks for the language afterwards. `cic_ussd` and `existing` only.",
    "type": "string",
    "enum": ["current", "2021"],
    "default": "current",
    "examples": ["2021"],
    "x-since": "0.1.0",
}
