"""The kind person: the document with name, phone, location and so on."""

from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind
from cicscenario.people import pointer
from cicscenario.people.person import identified

KIND = MetadataKind(
    name="person",
    label="metadata",
    writes="write the person documents",
    proves="the person document is in the metadata store, exactly",
    entry=lambda who, address, spec: MetadataEntry(
        pointer.person(address), identified(who.document, spec, address, who.spelled)
    ),
    by_account=True,
)
