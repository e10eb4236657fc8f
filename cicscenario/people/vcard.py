"""Contact data in the stack's form: a vCard 3.0 in base64, formatted as by the vobject library.

The comma in FN and the parameter TYP (not TYPE) are unusual, but data of the old tools have them.
"""

import base64
import re
from dataclasses import dataclass

from cicscenario.errors import InvalidError

_FOLD = 75  # octets per line, RFC 2426 section 2.6
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_UNESCAPE = re.compile(r"\\(.)")
_COMPONENT = re.compile(r"(?:[^\\;]|\\.|\\$)*")  # an escaped semicolon does not end a component


@dataclass(frozen=True)
class Contact:
    """The content of a vCard; ``phone`` is in E.164."""

    given: str
    family: str
    email: str | None
    phone: str


def encode(contact: Contact) -> str:
    """The vCard in base64."""
    given, family = contact.given.translate(_ESCAPES), contact.family.translate(_ESCAPES)
    lines = [
        "BEGIN:VCARD",
        "VERSION:3.0",
        *([f"EMAIL:{contact.email.translate(_ESCAPES)}"] if contact.email else []),
        f"FN:{given}\\, {family}",
        f"N:{family};{given};;;",
        f"TEL;TYP=CELL:{contact.phone}",
        "END:VCARD",
    ]
    return base64.b64encode("".join(_folded(line) + "\r\n" for line in lines).encode()).decode()


def _folded(line: str) -> str:
    if len(line) < _FOLD:  # vobject compares characters here and octets below; the same bytes are needed
        return line
    parts: list[str] = []
    octets = 0
    for character in line:
        size = len(character.encode())
        if octets + size > _FOLD:
            parts.append("\r\n ")
            octets = 1
        parts.append(character)
        octets += size
    return "".join(parts)


def decode(vcard: str) -> Contact:
    """Parses a vCard in base64. Raises InvalidError when it is not one, or has no name or no phone number."""
    try:
        raw = base64.b64decode(vcard, validate=True)
        text = re.sub(rb"\r?\n[ \t]", b"", raw).decode("utf-8")  # a fold may split the octets of one character
    except ValueError:
        raise InvalidError("the vCard is not base64 of UTF-8 text") from None
    fields: dict[str, str] = {}
    for line in re.split(r"\r?\n", text):
        name, _, value = line.partition(":")
        fields.setdefault(name.partition(";")[0].rpartition(".")[2].upper(), value)
    missing = [name for name in ("BEGIN", "N", "TEL", "END") if not fields.get(name)]
    if missing:
        raise InvalidError(f"the vCard has no {' and no '.join(missing)}")
    family, given = _components(fields["N"], 2)
    email = fields.get("EMAIL")
    return Contact(_plain(given), _plain(family), _plain(email) if email else None, _plain(fields["TEL"]))


def _components(text: str, number: int) -> list[str]:
    """The first components of a structured value; empty where there are fewer."""
    found: list[str] = []
    start = 0
    while len(found) < number:
        component = _COMPONENT.match(text, start)
        assert component  # it matches the empty text, too
        found.append(component[0])
        start = component.end() + 1
    return found


def _plain(text: str) -> str:
    return _UNESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], text)
