"""A metadata kind: a badge, at a pointer of its own."""

import hashlib

from cicscenario.capabilities.metadata import MetadataEntry, MetadataKind

KIND = MetadataKind(
    name="badge",
    label="metadata_badge",
    writes="write the badges",
    proves="the badge is in the metadata store",
    entry=lambda who, address, spec: MetadataEntry(
        hashlib.sha256(address + b":example.badge").digest(), {"badge": f"member {who.id}"}
    ),
)
