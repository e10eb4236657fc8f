"""Finds the people that a text means: by index, phone number, account, transaction, request, or a part of the name."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress

from cicscenario.errors import InvalidError
from cicscenario.people.e164 import e164
from cicscenario.people.person import parse_address
from cicscenario.state.store import Store

_LONG_HEX = re.compile("(?:0[xX])?([0-9a-fA-F]{32,})")
_HASH = re.compile("(?:0[xX])?([0-9a-fA-F]{64})")


def who(store: Store, text: str, region: str | None, checks: Sequence[str] = ()) -> list[int]:
    """The ids of the people that ``text`` means, in order; empty when there are none.

    It may be an index, a phone number in any usual spelling (``region`` is the country of one in national notation), an address
    on this chain or before, a transaction's hash, or the id of a request. If it is none of these, those are meant in whose
    failures (of steps, and of these ``checks``) it is, if it is hexadecimal; or else those whose name has its words.
    """
    text = text.strip()
    if found := sorted(_exactly(store, text, region)):
        return found
    if named := _LONG_HEX.fullmatch(text):
        return _in_failures(store, named[1].lower(), checks)
    return list(_by_name(store, text))


def _exactly(store: Store, text: str, region: str | None) -> set[int]:
    found = set(store.owners_of_request(text))
    if re.fullmatch("[0-9]{1,18}", text):
        found |= store.people_of([int(text)]).keys()
    if digest := _HASH.fullmatch(text):
        found |= set(store.owners_of_transaction(bytes.fromhex(digest[1])))
    if address := parse_address(text):
        found |= set(store.owners_of_account(address))
    with suppress(InvalidError):  # not a phone number
        found |= set(store.owners(phone=e164(text, region)))
    return found


def _in_failures(store: Store, digits: str, checks: Sequence[str]) -> list[int]:
    """An account that belongs to nobody, or a pointer of the metadata store, is only in what was said about a person."""
    return list(dict.fromkeys(one.person for one in store.failed(checks) if digits in one.reason.lower()))


def _by_name(store: Store, text: str) -> Iterator[int]:
    """Those whose name has every word of the text, in any order."""
    if not (words := _plain(text).split()):
        return
    for person in store.all_people():
        name = _plain(person.name)
        if all(word in name for word in words):
            yield person.id


def _plain(text: str) -> str:
    """Without upper case and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))
