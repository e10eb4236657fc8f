"""The kind person: the document with name, phone, location and so on."""

from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind
from cicscenario.people import pointer

KIND = MetadataKind(
    name="person",
    label="metadata",
    writes="write the person documents",
    proves="the person document is in the metadata store, exactly",
    entry=lambda who, address, spec: MetadataEntry(pointer.person(address), who.identified(spec, address)),
    by_account=True,
)
