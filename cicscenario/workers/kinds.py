"""The kinds of work that workers do. Each is a function of what the task brings, and changes nothing anywhere."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cicscenario.chain.keyfile import encrypt
from cicscenario.chain.signer import KEY_BYTES
from cicscenario.people.pins import DEFAULT_COST, PinHasher, scheme_of

KEYFILES, HASHES = "keyfiles", "hashes"  #: names of the kinds
Common = Mapping[str, Any]  #: what all items of a task share; plain data, as JSON has it
_TASK_SECONDS = 0.5  # of work in one task: short enough to be done again, long enough that messages do not count
_MOST = 100  # items in one task
_STRENGTH_SECONDS = {"standard": 1.0, "light": 0.05}
_COST_8_SECONDS = 0.015  # a bcrypt hash of cost 8; each step doubles it


@dataclass(frozen=True)
class Kind:
    """One kind of work. ``seconds`` estimates one item, and ``proper`` is whether a result has the right form."""

    one: Callable[[Common, str], str]
    here: Callable[[Common, Iterable[str], threading.Event], Iterator[str]]  #: in this process; ends early when stopped
    seconds: Callable[[Common], float]
    proper: Callable[[Common, str], bool]

    def size(self, common: Common) -> int:
        """The number of items in one task."""
        return max(1, min(_MOST, round(_TASK_SECONDS / self.seconds(common))))


def _keyfile(common: Common, key: str) -> str:
    return encrypt(bytes.fromhex(key), common["password"], common["kdf"]).decode("ascii")


def _keyfiles_here(common: Common, keys: Iterable[str], stopping: threading.Event) -> Iterator[str]:
    for key in keys:
        yield _keyfile(common, key)
        if stopping.is_set():
            return


def _hasher(common: Common) -> PinHasher:
    return PinHasher(common["scheme"], cost=common["cost"], pepper=common["pepper"])


def _hashes_here(common: Common, pins: Iterable[str], stopping: threading.Event) -> Iterator[str]:
    yield from _hasher(common).hash_many(pins, stopping)


def _hash_seconds(common: Common) -> float:
    cost = DEFAULT_COST[common["scheme"]] if common["cost"] is None else common["cost"]
    return float(_COST_8_SECONDS * 2.0 ** (cost - 8))


KINDS = {
    KEYFILES: Kind(
        _keyfile,
        _keyfiles_here,
        lambda common: _STRENGTH_SECONDS[common["kdf"]],
        lambda common, text: text.startswith("{"),  # each is read again where it was written
    ),
    HASHES: Kind(
        lambda common, pin: _hasher(common).hash(pin),
        _hashes_here,
        _hash_seconds,
        lambda common, text: scheme_of(text) == common["scheme"],
    ),
}


def keystore_item(key: bytes) -> str:
    """A private key as an item of the kind ``keyfiles``."""
    return key.rjust(KEY_BYTES, b"\0").hex()
