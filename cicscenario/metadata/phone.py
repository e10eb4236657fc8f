"""The kind phone: the phone pointer, which leads from a phone number to an account.

When people join by phone, the interface writes it; a second write makes the metadata server fail.
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
