"""The phone pointer: which account belongs to a phone number.

Where people join by phone, the interface writes it, and writing it again makes the metadata server fail.
"""

from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind, Writer
from cicscenario.people import pointer

KIND = MetadataKind(
    name="phone",
    label="metadata_phone",
    writes="write the phone pointers",
    proves="the phone pointer leads to the account",
    entry=lambda who, address, spec: MetadataEntry(pointer.phone(who.phone), address.hex()),
    writer=lambda scenario: Writer.INTERFACE if scenario.backend.traits.joins_by_phone else Writer.RUN,
)
