"""The kind person: the document with name, phone, location and so on."""

from typing import TYPE_CHECKING

from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind
from cicscenario.chainspec import ChainSpec
from cicscenario.people import pointer

if TYPE_CHECKING:
    from cicscenario.people.person import Person


def _entry(who: "Person", address: bytes, spec: ChainSpec) -> MetadataEntry:
    from cicscenario.people.person import identified  # not at the top: declarations load no people

    return MetadataEntry(pointer.person(address), identified(who.document, spec, address, who.spelled))


KIND = MetadataKind(
    name="person",
    label="metadata",
    writes="write the person documents",
    proves="the person document is in the metadata store, exactly",
    entry=_entry,
    by_account=True,
)
