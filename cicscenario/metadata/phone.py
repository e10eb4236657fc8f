"""The kind phone: the phone pointer, which leads from a phone number to an account.

When people join by phone, the interface writes it; a second write makes the metadata server fail.
"""

from typing import TYPE_CHECKING

from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind, Writer
from cicscenario.people import pointer

if TYPE_CHECKING:
    from cicscenario.people.person import Person


def _leads_elsewhere(who: "Person", present: object) -> str:
    """What the user is told about a phone pointer that leads to another account, before it is replaced."""
    other = f"0x{present.lower().removeprefix('0x')}" if isinstance(present, str) else f"{present!r:.60}"
    return (
        f"the phone pointer of {who.phone} leads to {other}; it is replaced by 0x{who.account.hex()}, person {who.id}"
    )


KIND = MetadataKind(
    name="phone",
    label="metadata_phone",
    writes="write the phone pointers",
    proves="the phone pointer leads to the account",
    entry=lambda who, address, spec: MetadataEntry(pointer.phone(who.phone), address.hex()),
    writer=lambda scenario: Writer.INTERFACE if scenario.backend.traits.joins_by_phone else Writer.RUN,
    replaces=_leads_elsewhere,
    needs_phone_account=lambda scenario: scenario.backend.traits.has_phone_accounts,
)
