"""What the stack keeps about people: one file for each metadata kind, and one line here.

Those of other packages come by the entry points ``cicscenario.metadata``.
"""

from functools import cache

from cicscenario.capabilities.metadata import MetadataKind
from cicscenario.capabilities.registry import registered
from cicscenario.metadata import custom, person, phone, preferences

BUILT_IN = (person.KIND, phone.KIND, preferences.KIND, custom.KIND)


@cache
def all_kinds() -> tuple[MetadataKind, ...]:
    """Every known kind, in the order of the steps and checks. Raises InvalidError for an invalid one of another package."""
    return registered("metadata", BUILT_IN, MetadataKind, lambda kind: kind.name)
