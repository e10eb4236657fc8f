"""The kinds ``entries`` and ``looks``: writes entries to the metadata store, and reads them.

``entries`` has entries in the store; what is there is not written again. An item has ``pointer`` (hexadecimal), ``value``,
and ``present`` if it is known what is there: a value, or null for nothing. A result has ``end`` (written, present, or another,
which was kept), ``present`` for another value, and ``away``, which is whether the server has left any request of this process
without an answer.

``looks`` reads entries. An item is a pointer, hexadecimal. A result is the value; None when there is no entry.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cicscenario.errors import CicScenarioError
from cicscenario.services.jsonvalues import contains, equal_entry, same
from cicscenario.workers.hands import Common, Done, Hands, Services

if TYPE_CHECKING:
    from cicscenario.services.meta import Wanted

WRITTEN, PRESENT, ANOTHER = "written", "present", "another"


def entry_item(pointer: bytes, value: Any, *present: Any) -> dict[str, Any]:
    """An entry as an item; ``present`` is what is there, and left out when nobody has looked."""
    return {"pointer": pointer.hex(), "value": value} | ({"present": present[0]} if present else {})


def write_entries(hands: Hands, common: Common, items: Iterable[dict[str, Any]]) -> Iterator[Done]:
    """Writes the entries. ``common`` has ``keeps``: whether another value is kept and given."""
    from cicscenario.services.meta import Another  # not at the top, since it loads OpenPGP

    meta = hands.services.meta
    for index, end in meta.ensure_many([_wanted(hands, item, keeps=common["keeps"]) for item in items]):
        if isinstance(end, CicScenarioError):
            yield index, end
        elif isinstance(end, Another):
            yield index, {"end": ANOTHER, "present": end.present, "away": meta.was_away}
        else:
            yield index, {"end": end, "away": meta.was_away}


def _wanted(hands: Hands, item: dict[str, Any], *, keeps: bool) -> "Wanted":
    from cicscenario.services.meta import NOT_LOOKED, Wanted

    value, present = item["value"], item.get("present", NOT_LOOKED)
    if present is None and not isinstance(value, dict):
        # The task may be done for the second time, and cic-meta ends when it is to merge into anything but an object.
        present = NOT_LOOKED
    return Wanted(bytes.fromhex(item["pointer"]), value, present, keeps, hands.turn)


def is_end(result: Any) -> bool:
    """Whether a result has the form that ``write_entries`` gives."""
    if not isinstance(result, dict) or not isinstance(result.get("away"), bool):
        return False
    end = result.get("end")
    return end in (WRITTEN, PRESENT) or (end == ANOTHER and result.get("present") is not None)


def entry_is_there(services: Services, common: Common, item: dict[str, Any], result: dict[str, Any]) -> str | None:
    """What is wrong when the run does not find what a worker says that it has written: it may know another server."""
    found, value = services.meta.get(bytes.fromhex(item["pointer"])), item["value"]
    expected = result["present"] if result["end"] == ANOTHER else value
    if equal_entry(found, expected) or (isinstance(value, dict) and contains(found, value)):
        return None
    return f"the entry {item['pointer']} is not as it says at the metadata server {services.meta.address}"


def read_entries(hands: Hands, common: Common, pointers: Iterable[str]) -> Iterator[Done]:
    """Reads the entries."""
    yield from enumerate(hands.services.meta.get_many([bytes.fromhex(pointer) for pointer in pointers]))


def entry_is_so(services: Services, common: Common, pointer: str, result: Any) -> str | None:
    """What is wrong when the run does not find the value that a worker says that it has read."""
    if same(services.meta.get(bytes.fromhex(pointer)), result):
        return None
    return f"the entry {pointer} has another value at the metadata server {services.meta.address}"
