"""The kind custom: the person's tags. The phone interface also writes tags for each person who joins by phone."""

from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind, Writer
from cicscenario.people import pointer

KIND = MetadataKind(
    name="custom",
    label="metadata_custom",
    writes="write the tags",
    proves="the tags are in the metadata store",
    entry=lambda who, address, spec: MetadataEntry(pointer.custom(address), {"tags": list(who.tags)}),
    writer=lambda scenario: Writer.INTERFACE_FIRST if scenario.backend.traits.joins_by_phone else Writer.RUN,
    by_account=True,
)
