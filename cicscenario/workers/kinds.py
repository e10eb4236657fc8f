"""The kinds of work that workers do.

Each is a function of what the task brings and of the services of the process that it runs in: the same in a run and in a worker.
Done twice, it gives the same, or finds that it is done already.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cicscenario.chain.keyfile import encrypt
from cicscenario.chain.signer import KEY_BYTES
from cicscenario.errors import CicScenarioError
from cicscenario.people.pins import DEFAULT_COST, PinHasher, scheme_of, verify
from cicscenario.retry import pause
from cicscenario.workers.entries import entry_is_so, entry_is_there, is_end, read_entries, write_entries
from cicscenario.workers.hands import Common, Done, Hands, Services, Work

KEYFILES, HASHES, ENTRIES, LOOKS, PINS = "keyfiles", "hashes", "entries", "looks", "pins"  #: names of the kinds
_TASK_SECONDS = 0.5  # of work in one task: short enough to be done again, long enough that messages do not count
_MOST = 100  # items in one task
_STRENGTH_SECONDS = {"standard": 1.0, "light": 0.05}
_COST_8_SECONDS = 0.015  # a bcrypt hash of cost 8; each step doubles it
_WRITE_SECONDS = 0.02  # one entry at cic-meta, its look before and its look after
_LOOK_SECONDS = 0.01  # one entry at cic-meta


@dataclass(frozen=True)
class Kind:
    """One kind of work. ``seconds`` estimates one item, and ``proper`` is whether a result has the right form.

    ``needs`` is the section of the environment file that says where its service is. ``proof`` is asked by a run about one result
    of each worker: what is wrong when the run's own services do not show it. Where a worker's result is not ``enough``, the run
    does the item by itself: nobody is said to lack something on the word of a worker.
    """

    work: Work
    seconds: Callable[[Common], float]
    proper: Callable[[Common, Any], bool]
    needs: str | None = None
    enough: Callable[[Any], bool] = lambda result: True
    proof: Callable[[Services, Common, Any, Any], str | None] = lambda services, common, item, result: None

    def size(self, common: Common) -> int:
        """The number of items in one task."""
        return max(1, min(_MOST, round(_TASK_SECONDS / self.seconds(common))))


def _keyfiles(hands: Hands, common: Common, keys: Iterable[str]) -> Iterator[Done]:
    for index, key in enumerate(keys):
        yield index, encrypt(bytes.fromhex(key), common["password"], common["kdf"]).decode("ascii")
        if hands.stopping.is_set():
            return


def _hashes(hands: Hands, common: Common, pins: Iterable[str]) -> Iterator[Done]:
    hasher = PinHasher(common["scheme"], cost=common["cost"], pepper=common["pepper"])
    yield from enumerate(hasher.hash_many(pins, hands.stopping, hands.threads))


def _pins(hands: Hands, common: Common, items: Iterable[Sequence[str]]) -> Iterator[Done]:
    """Whether a hash is that of a PIN. An item is the two of them; a result is yes or no."""
    for index, (hashed, pin) in enumerate(items):
        pause(0, hands.stopping)
        yield index, verify(hashed, pin, common["pepper"])


def _hash_seconds(common: Common) -> float:
    cost = DEFAULT_COST[common["scheme"]] if common["cost"] is None else common["cost"]
    return float(_COST_8_SECONDS * 2.0 ** (cost - 8))


KINDS = {
    KEYFILES: Kind(
        _keyfiles,
        lambda common: _STRENGTH_SECONDS[common["kdf"]],
        lambda common, text: isinstance(text, str) and text.startswith("{"),  # each is read again where it was written
    ),
    HASHES: Kind(
        _hashes,
        _hash_seconds,
        lambda common, text: isinstance(text, str) and scheme_of(text) == common["scheme"],
    ),
    ENTRIES: Kind(
        write_entries,
        lambda common: _WRITE_SECONDS,
        lambda common, end: is_end(end),
        needs="meta",
        proof=entry_is_there,
    ),
    LOOKS: Kind(
        read_entries,
        lambda common: _LOOK_SECONDS,
        lambda common, value: True,  # any JSON may be there
        needs="meta",
        enough=lambda value: value is not None and not isinstance(value, CicScenarioError),
        proof=entry_is_so,
    ),
    PINS: Kind(
        _pins,
        _hash_seconds,
        lambda common, fits: isinstance(fits, bool),
        enough=lambda fits: fits is True,
    ),
}


def keystore_item(key: bytes) -> str:
    """A private key as an item of the kind ``keyfiles``."""
    return key.rjust(KEY_BYTES, b"\0").hex()
