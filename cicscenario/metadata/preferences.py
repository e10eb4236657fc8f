"""The kind preferences: the preferred language. The phone interface also writes it when a person chooses a language."""

from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind, Writer
from cicscenario.people import pointer

KIND = MetadataKind(
    name="preferences",
    label="metadata_preferences",
    writes="write the preferred languages",
    proves="the preferred language is in the metadata store",
    entry=lambda who, address, spec: MetadataEntry(pointer.preferences(address), {"preferred_language": who.language}),
    writer=lambda scenario: Writer.INTERFACE_FIRST if scenario.chooses_language else Writer.RUN,
    by_account=True,
)
