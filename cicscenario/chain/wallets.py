"""Transactions that people sign for themselves, in the ledger of the run: each account has a nonce sequence of its own.

They are recorded, sent, repeated and looked up as those of the run's signer are. Each has a purpose of its own, so a person may
have any number of them. What is asked of the chain is asked for many accounts at a time; only an account whose nonces are
not as the ledger has them is looked at by itself.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cicscenario.chain.abi import to_hex
from cicscenario.chain.adoption import written
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.gasprice import GasPrice
from cicscenario.chain.intent import Intent
from cicscenario.chain.reading import as_numbers, on_this_chain
from cicscenario.chain.review import Recogniser, Review, followed_by_others
from cicscenario.chain.rpc import Call, Rpc, protocol_errors
from cicscenario.chain.signer import Signer
from cicscenario.chain.ticket import Ticket
from cicscenario.people.person import Person
from cicscenario.state.rows import KnownNonces, LedgerRow
from cicscenario.state.store import Store

_AT_ONCE = 1000  # accounts that are held in memory while the chain is asked about them


@dataclass(frozen=True)
class OwnKeys:
    """The keys of people who sign for themselves. ``recognise`` gives what says what a transaction of a person is for."""

    key: Callable[[Person], bytes]
    recognise: Callable[[Person], Recogniser]


@dataclass(frozen=True)
class OwnPart:
    """A transaction that a person sends themselves: ``intent.person`` is who signs it, and ``purpose`` is its own.

    ``to_fail``: it is meant to fail. One that did is not followed by another.
    """

    purpose: str
    intent: Intent
    to_fail: bool = False


class Wallets:
    """The accounts of people, as part of the ledger of ``signer``. ``review`` makes the comparison of a person with the chain."""

    def __init__(
        self,
        store: Store,
        rpc: Rpc,
        signer: Signer,
        broadcaster: Broadcaster,
        own: OwnKeys,
        price: Callable[[], GasPrice],
        review: Callable[[Signer, Recogniser, int], Review],
        stopping: threading.Event | None = None,
    ) -> None:
        self._store = store
        self._rpc = rpc
        self._signer = signer
        self._broadcaster = broadcaster
        self._own = own
        self._price = price
        self._make_review = review
        self._stopping = stopping
        self._mutex = threading.Lock()
        self._next: dict[bytes, int] = {}  # the next nonce of each account that was looked at

    # --- what became of those of an earlier run ---------------------------------------------------------------------

    def review(self) -> None:
        """Compares what the ledger has of people's accounts with the chain, and writes down what it finds; sends nothing.

        Raises as ``Review.run`` does.
        """
        rows = self._store.outstanding_of_others(self._signer.address)
        for start in range(0, len(rows), self._rpc.batch):
            ends = self._broadcaster.follower.receipts(rows[start : start + self._rpc.batch])
            self._store.settle(written(end) for end in ends)
        rows = self._store.outstanding_of_others(self._signer.address)
        odd = {row.person for row in self._broadcaster.follower.used_by_others(rows)}
        known = self._store.other_signers(self._signer.address)
        for start in range(0, len(known), _AT_ONCE):
            odd |= self._odd(known[start : start + _AT_ONCE])
        for person in self._people(sorted(odd)):
            self._review_of(person).run()

    def _odd(self, known: Sequence[KnownNonces]) -> set[int]:
        """The people whose nonces on the chain are not as the ledger has them."""
        counts = self._counts([one.signer for one in known])
        return {
            one.person
            for one, (mined, pending) in zip(known, counts, strict=True)
            if pending > one.highest + 1  # by transactions that the ledger does not know
            or one.number != one.highest + 1  # also of one who has used the key before: then nothing is found
            or (one.ended is not None and one.ended >= mined)  # the chain went back
        }

    def undo(self, block: int) -> None:
        """Reopens transactions that ended after ``block``, as ``Review.undo`` does for the run's signer."""
        self._store.await_check()
        rows = self._store.settled_above_of_others(self._signer.address, block)
        aside = {row.hash for row in followed_by_others(self._store, rows)}
        self._store.reopen(row.hash for row in rows if row.hash not in aside)
        people: dict[int, list[LedgerRow]] = {}
        for row in rows:
            if row.hash in aside:
                people.setdefault(row.person, []).append(row)
        for person in self._people(sorted(people)):
            self._review_of(person).take_back(people[person.id])

    def _review_of(self, person: Person) -> Review:
        signer = Signer(self._own.key(person), self._signer.chain_id)
        return self._make_review(signer, self._own.recognise(person), person.id)

    # --- sending ------------------------------------------------------------------------------------------------------

    def begin(self, parts: Sequence[OwnPart], gas: int) -> Ticket:
        """Signs, records and submits each part that was not sent, or failed; in the order given, as nonces count.

        The ticket waits for the ends of all, also of those that were sent before. ``gas`` is the limit of each. Raises as
        ``Ledger.begin`` does.
        """
        self._store.await_check()
        with self._mutex:
            people = {person.id: person for person in self._people({part.intent.person for part in parts})}
            self._look_at(people.values())
            live, failed = self._sent(parts)
            meant = {part.purpose for part in parts if part.to_fail} & {row.purpose for row in failed}
            if failed := [row for row in failed if row.purpose not in meant]:
                self._broadcaster.recheck_failed(failed)
                live, _ = self._sent(parts)
            new = [part for part in parts if part.purpose not in live and part.purpose not in meant]
            rows = [self._sign(part, people[part.intent.person], gas) for part in new]
            ticket = self._broadcaster.expect([row for row in live.values() if row.status != "mined"] + rows)
            self._store.add_transactions(rows)  # committed, then sent: this order ensures that each is carried out once
            self._broadcaster.submit(rows)
        return ticket

    def _sent(self, parts: Sequence[OwnPart]) -> tuple[dict[str, LedgerRow], list[LedgerRow]]:
        """What the ledger has of these parts: those that have not failed, by purpose; and those of which all have failed."""
        rows = self._store.parts_sent([part.purpose for part in parts])
        live = {row.purpose: row for row in rows if row.status != "failed"}
        return live, [row for row in rows if row.purpose not in live]

    def _sign(self, part: OwnPart, person: Person, gas: int) -> LedgerRow:
        intent, nonce = part.intent, self._next[person.account]
        self._next[person.account] = nonce + 1
        signed = Signer(self._own.key(person), self._signer.chain_id).sign(
            nonce=nonce, gas_price=self._price(), gas=gas, to=intent.to, value=intent.value, data=intent.data
        )
        return LedgerRow(part.purpose, person.id, person.account, nonce, signed.hash, signed.raw, gas, "signed")

    def _look_at(self, people: Iterable[Person]) -> None:
        """Finds the next nonce of each account that this session has not used yet.

        An account that has sent transactions and of which the ledger has none is compared first: the state may be an older
        copy, and they may have been these very ones.
        """
        new = [person for person in people if person.account not in self._next]
        counts = self._counts([person.account for person in new])
        held = self._store.last_nonces([person.account for person in new])
        for person, (_, pending) in zip(new, counts, strict=True):
            if pending and person.account not in held:
                self._review_of(person).run()
                held |= self._store.last_nonces([person.account])
            self._next[person.account] = max(pending, held.get(person.account, -1) + 1)

    def _counts(self, accounts: Sequence[bytes]) -> list[tuple[int, int]]:
        """Each account's number of mined transactions, and the same with those pending in the node."""
        if not accounts:
            return []
        calls: list[Call] = [
            ("eth_getTransactionCount", [to_hex(account), block])
            for account in accounts
            for block in ("latest", "pending")
        ]
        with protocol_errors(self._rpc):
            found = as_numbers(self._rpc, calls, on_this_chain(self._rpc, calls, self._stopping))
        return list(zip(found[::2], found[1::2], strict=True))

    def _people(self, ids: Iterable[int]) -> list[Person]:
        wanted = list(ids)
        found: list[Person] = []
        for start in range(0, len(wanted), _AT_ONCE):
            found += self._store.people_of(wanted[start : start + _AT_ONCE]).values()
        return found
