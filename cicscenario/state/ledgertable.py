"""The transactions of a run, as the state has them."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cicscenario.jsontext import parse_json
from cicscenario.state import writes
from cicscenario.state.rows import KnownNonces, LedgerRow
from cicscenario.state.tables import PAGE, Tables

_COLUMNS = "purpose, person, signer, nonce, hash, raw, gas, status, block, detail"
LIVE = "status NOT IN ('failed', 'replaced')"  #: of what the index one_live_transaction has: it is used only with this

_OTHERS_ARE_REPLACED = f"""
UPDATE ledger SET status = 'replaced' WHERE {LIVE} AND hash <> ?
  AND (signer, nonce) IN (SELECT signer, nonce FROM ledger WHERE hash = ?)
"""  # noqa: S608

#: The key of ``trace`` in the table meta.
_TRACE = "blocks"
PART = "/"  #: between a step's name and the number of a part, in the purpose of a step that sends many for one person
_STEP = f"CASE instr(purpose, '{PART}') WHEN 0 THEN purpose ELSE substr(purpose, 1, instr(purpose, '{PART}') - 1) END"

#: A part that failed may have been meant to: its step is withdrawn only when it is open again.
_WITHDRAW_UNPROVED = f"""
DELETE FROM outcomes WHERE ok AND (step, person) IN (
  SELECT {_STEP}, person FROM ledger AS one WHERE status <> 'mined'
    AND (instr(purpose, '{PART}') = 0 OR status IN ('signed', 'broadcast')) AND NOT EXISTS (
    SELECT 1 FROM ledger WHERE purpose = one.purpose AND person = one.person AND {LIVE} AND status = 'mined'
  )
)
"""  # noqa: S608


def _set_trace(db: sqlite3.Connection, trace: Mapping[int, str]) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_TRACE, json.dumps(trace)))


def _settle(db: sqlite3.Connection, ends: Sequence[tuple[bytes, str, int, str | None]]) -> None:
    # Failures first: a transaction that took the place of one that failed has the same purpose and person.
    ordered = sorted(ends, key=lambda end: end[1])
    # Of those with one nonce only one is live (see the index one_live_nonce): there is another only for one that is not.
    sql = f"SELECT hash FROM ledger WHERE NOT ({LIVE}) AND hash IN ({','.join('?' * len(ordered))})"  # noqa: S608
    dead = db.execute(sql, [h for h, *_ in ordered]).fetchall()
    db.executemany(_OTHERS_ARE_REPLACED, [(h, h) for (h,) in dead])
    db.executemany(
        "UPDATE ledger SET status = ?, block = ?, detail = ? WHERE hash = ?",
        [(status, block, detail, h) for h, status, block, detail in ordered],
    )


class LedgerTable(Tables):
    """The part of the state that has the transactions. Only ``cicscenario/chain/ledger.py`` sends what is in it."""

    def _found(self, condition: str, parameters: Sequence[Any]) -> list[LedgerRow]:
        return [LedgerRow(*row[1:]) for row in self._whole("ledger", f"WHERE {condition}", parameters)]

    def live_transactions(self, purpose: str, people: Sequence[int]) -> dict[int, LedgerRow]:
        """Transactions of ``purpose`` that have not failed as far as is known, and are not replaced, by person.

        A person without one has none for certain; that may take the end of the state's inspection: see ``await_check``.
        """
        self.await_check(people)
        marks = ",".join("?" * len(people))
        found = self._found(f"purpose = ? AND person IN ({marks}) AND {LIVE}", (purpose, *people))
        return {row.person: row for row in found}

    def failed_transactions(self, purpose: str, people: Sequence[int]) -> list[LedgerRow]:
        """Transactions of ``purpose`` that failed, in the order in which they were signed."""
        marks = ",".join("?" * len(people))
        condition = f"purpose = ? AND person IN ({marks}) AND status = 'failed' ORDER BY id"
        return self._found(condition, (purpose, *people))

    def outstanding(self, signer: bytes) -> list[LedgerRow]:
        """Transactions that have not ended as far as is known (signed or broadcast), in nonce order."""
        return self._found("signer = ? AND status IN ('signed', 'broadcast') ORDER BY nonce", (signer,))

    def ended(self, hashes: Sequence[bytes]) -> list[LedgerRow]:
        """Those of the transactions that have ended."""
        return self._found(f"status IN ('mined', 'failed') AND hash IN ({','.join('?' * len(hashes))})", hashes)

    def all_outstanding(self, signer: bytes) -> list[LedgerRow]:
        """The same of everybody who signs in this run, ``signer`` first."""
        return self._found("status IN ('signed', 'broadcast') ORDER BY signer <> ?, nonce, id", (signer,))

    def outstanding_of_others(self, signer: bytes) -> list[LedgerRow]:
        """The same without those of ``signer``."""
        return [row for row in self.all_outstanding(signer) if row.signer != signer]

    def parts_sent(self, purposes: Sequence[str]) -> list[LedgerRow]:
        """Transactions of these purposes that are not replaced, in the order in which they were signed.

        There are no others for certain: see ``await_check``.
        """
        self.await_check()
        marks = ",".join("?" * len(purposes))
        live = self._whole("ledger", f"WHERE purpose IN ({marks}) AND {LIVE}", purposes)
        failed = self._whole("ledger", f"WHERE purpose IN ({marks}) AND status = 'failed'", purposes)
        return [LedgerRow(*row[1:]) for row in sorted(live + failed)]

    def parts_ended(self, step: str) -> Iterator[tuple[int, int, bool]]:
        """The parts of a step that have ended: number, person, and whether the transaction was mined or failed."""
        for purpose, person, status in self._rows(
            "SELECT purpose, person, status FROM ledger WHERE purpose > ? AND purpose < ? AND status IN ('mined', 'failed')",
            _all_parts(step),
        ):
            yield int(purpose.partition(PART)[2]), person, status == "mined"

    def other_signers(self, signer: bytes) -> list[KnownNonces]:
        """What the ledger has of everybody else who signs in this run."""
        ended = "max(CASE WHEN status IN ('mined', 'failed') THEN nonce END)"
        sql = (
            f"SELECT signer, min(person), max(nonce), count(DISTINCT nonce), {ended} FROM ledger"  # noqa: S608
            " WHERE signer <> ? GROUP BY signer"
        )
        return [KnownNonces(*row) for row in self._rows(sql, (signer,))]

    def settled_from(self, signer: bytes, nonce: int) -> list[LedgerRow]:
        """Ended transactions with this nonce or a higher one. With the node's next nonce: those whose blocks the node lacks."""
        return self._found("signer = ? AND nonce >= ? AND status IN ('mined', 'failed')", (signer, nonce))

    def settled_above(self, signer: bytes, block: int) -> list[LedgerRow]:
        """Transactions that ended in blocks after ``block``, in nonce order."""
        condition = "signer = ? AND block > ? AND status IN ('mined', 'failed') ORDER BY nonce"
        return self._found(condition, (signer, block))

    def settled_above_of_others(self, signer: bytes, block: int) -> list[LedgerRow]:
        """The same of everybody else who signs in this run."""
        condition = "signer <> ? AND block > ? AND status IN ('mined', 'failed') ORDER BY nonce, id"
        return self._found(condition, (signer, block))

    def replaced_by(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """The transactions that ``rows`` have replaced: of the same signer, nonce, purpose and person."""
        condition = "status = 'replaced' AND signer = ? AND nonce = ? AND purpose = ? AND person = ?"
        return [
            found for row in rows for found in self._found(condition, (row.signer, row.nonce, row.purpose, row.person))
        ]

    def reopen(self, hashes: Iterable[bytes], aside: Iterable[bytes] = ()) -> None:
        """Marks ended transactions as broadcast, since the chain no longer has their blocks; withdraws their outcomes.

        Those ``aside`` only lose their blocks.
        """
        marks = [(h,) for h in hashes]
        with self._write(writes.REOPENED) as db:
            db.executemany("UPDATE ledger SET block = NULL WHERE hash = ?", [*marks, *((h,) for h in aside)])
            db.executemany("UPDATE ledger SET status = 'broadcast' WHERE hash = ?", marks)
            db.executemany(
                f"DELETE FROM outcomes WHERE (step, person) IN (SELECT {_STEP}, person FROM ledger WHERE hash = ?)",  # noqa: S608
                marks,
            )

    def height(self) -> int:
        """The highest number of a block in which a transaction ended; 0 without one."""
        last: int | None = self._rows("SELECT max(block) FROM ledger")[0][0]
        return last or 0

    def unknown_nonces(self, signer: bytes, first: int, stop: int) -> Iterator[int]:
        """The nonces ``first <= nonce < stop`` that no transaction in the ledger has, in order.

        Ranges are counted, and only those that have a gap are looked at closer, so that memory is flat in transactions.
        """
        if first >= stop:
            return
        condition = "FROM ledger WHERE signer = ? AND nonce >= ? AND nonce < ?"
        number = self._rows(f"SELECT count(DISTINCT nonce) {condition}", (signer, first, stop))[0][0]
        if number == stop - first:
            return
        if stop - first <= PAGE or not number:
            known = {row[0] for row in self._rows(f"SELECT nonce {condition}", (signer, first, stop))} if number else ()
            yield from (nonce for nonce in range(first, stop) if nonce not in known)
            return
        middle = (first + stop) // 2
        yield from self.unknown_nonces(signer, first, middle)
        yield from self.unknown_nonces(signer, middle, stop)

    def first_nonce(self, signer: bytes) -> int | None:
        """The lowest nonce in the ledger."""
        lowest: int | None = self._rows("SELECT min(nonce) FROM ledger WHERE signer = ?", (signer,))[0][0]
        return lowest

    def mined_people(self, purpose: str) -> set[int]:
        """The ids of the people whose transaction of ``purpose`` is mined."""
        sql = "SELECT person FROM ledger WHERE purpose = ? AND status = 'mined'"
        return {row[0] for row in self._rows(sql, (purpose,))}

    def transaction(self, digest: bytes) -> LedgerRow | None:
        """The transaction with this hash."""
        rows = self._found("hash = ?", (digest,))
        return rows[0] if rows else None

    def is_live(self, signer: bytes, nonce: int) -> bool:
        """Whether a transaction with this nonce has not failed, and is not replaced."""
        sql = f"SELECT 1 FROM ledger WHERE signer = ? AND nonce = ? AND {LIVE}"  # noqa: S608
        return bool(self._rows(sql, (signer, nonce)))

    def last_nonce(self, signer: bytes) -> int | None:
        last: int | None = self._rows("SELECT max(nonce) FROM ledger WHERE signer = ?", (signer,))[0][0]
        return last

    def last_nonces(self, signers: Sequence[bytes]) -> dict[bytes, int]:
        """The highest nonce in the ledger of each of these signers; one that has none is left out."""
        marks = ",".join("?" * len(signers))
        sql = f"SELECT signer, max(nonce) FROM ledger WHERE signer IN ({marks}) GROUP BY signer"  # noqa: S608
        return dict(self._rows(sql, signers))

    def add_transactions(self, rows: Iterable[LedgerRow]) -> None:
        """Commits transactions, durably. Raises StateRefusedError if one for the same purpose and person has not failed."""
        self.replace_transactions((), rows)

    def replace_transactions(self, hashes: Iterable[bytes], rows: Iterable[LedgerRow]) -> None:
        """Marks transactions as replaced, and adds others, durably and in one transaction; see ``add_transactions``."""
        self.adopt((), hashes, rows)

    def adopt(
        self, ends: Iterable[tuple[bytes, str, int, str | None]], hashes: Iterable[bytes], rows: Iterable[LedgerRow]
    ) -> None:
        """Does the same, and before it writes how transactions ended (see ``settle``), all in one transaction."""
        values = [
            (r.purpose, r.person, r.signer, r.nonce, r.hash, r.raw, r.gas, r.status, r.block, r.detail) for r in rows
        ]
        # Durable: if a power cut lost a transaction that was sent, a second one would be signed for the same gift.
        with self._unique(), self._write(writes.SIGNED, durable=True) as db:
            db.executemany("UPDATE ledger SET status = 'replaced' WHERE hash = ?", [(h,) for h in hashes])
            _settle(db, list(ends))
            db.executemany(f"INSERT INTO ledger ({_COLUMNS}) VALUES ({','.join('?' * 10)})", values)  # noqa: S608

    def mark_broadcast(self, hashes: Iterable[bytes]) -> None:
        with self._write(writes.BROADCAST) as db:
            db.executemany(
                "UPDATE ledger SET status = 'broadcast' WHERE hash = ? AND status = 'signed'", [(h,) for h in hashes]
            )

    def settle(
        self, ends: Iterable[tuple[bytes, str, int, str | None]], trace: Mapping[int, str] | None = None
    ) -> None:
        """Writes how transactions ended: (hash, 'mined' or 'failed', block number, detail).

        Others with the same nonce that have not failed are replaced from then on. ``trace`` is written with them.
        """
        with self._write(writes.SETTLED) as db:
            _settle(db, list(ends))
            if trace is not None:
                _set_trace(db, trace)

    def trace(self) -> dict[int, str]:
        """Hashes of some blocks that were read, by their numbers."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (_TRACE,))
        return {int(number): digest for number, digest in parse_json(rows[0][0]).items()} if rows else {}

    def set_trace(self, trace: Mapping[int, str]) -> None:
        """Replaces these hashes."""
        with self._write(writes.TRACE) as db:
            _set_trace(db, trace)

    def withdraw(self, steps: Iterable[str]) -> None:
        """Withdraws all outcomes of these steps, so that they are looked at again."""
        with self._write(writes.REOPENED) as db:
            db.executemany("DELETE FROM outcomes WHERE step = ?", [(step,) for step in steps])

    def withdraw_unproved(self) -> int:
        """Withdraws outcomes that are ok although none of the person's transactions is mined. Returns their number."""
        with self._write(writes.REOPENED) as db:
            return db.execute(_WITHDRAW_UNPROVED).rowcount

    def transaction_counts(self) -> dict[str, dict[str, int]]:
        """Number of transactions by purpose and status. The parts of a step are counted together."""
        counts: dict[str, dict[str, int]] = {}
        for purpose, status, number in self._rows(f"SELECT {_STEP}, status, count(*) FROM ledger GROUP BY 1, 2"):  # noqa: S608
            counts.setdefault(purpose, {})[status] = number
        return counts

    def mined_counts(self) -> dict[str, int]:
        """Number of mined transactions by step, read from indexes: those that are neither failed nor replaced, nor open."""
        live = f"SELECT {{}}count(*) FROM ledger INDEXED BY one_live_transaction WHERE {LIVE} AND {{}}"  # noqa: S608
        plain = f"instr(purpose, '{PART}') = 0 GROUP BY 1"
        found = dict(self._rows(live.format("purpose, ", plain)))  # in the order of the index
        if self._rows(live.format("", "1"))[0][0] > sum(found.values()):
            parts = dict(self._rows(live.format(f"{_STEP}, ", f"instr(purpose, '{PART}') > 0 GROUP BY 1")))
            found |= {step: found.get(step, 0) + number for step, number in parts.items()}
        open_ = f"SELECT {_STEP}, count(*) FROM ledger WHERE status IN ('signed', 'broadcast') GROUP BY 1"  # noqa: S608
        return found | {step: found.get(step, 0) - number for step, number in self._rows(open_)}

    def transactions_by_hash(self) -> Iterator[LedgerRow]:
        """All transactions in the order of their hashes, read a page at a time."""
        last = b""
        while rows := self._whole("ledger", f"WHERE hash > ? ORDER BY hash LIMIT {PAGE}", (last,)):
            yield from (LedgerRow(*row[1:]) for row in rows)
            last = rows[-1][5]

    def transactions(self) -> Iterator[LedgerRow]:
        """All transactions in the order in which they were signed, read a page at a time."""
        last = 0
        while rows := self._whole("ledger", f"WHERE id > ? ORDER BY id LIMIT {PAGE}", (last,)):
            yield from (LedgerRow(*row[1:]) for row in rows)
            last = rows[-1][0]


def _all_parts(step: str) -> tuple[str, str]:
    """Between these two are the purposes of all parts of a step."""
    return f"{step}{PART}", f"{step}{chr(ord(PART) + 1)}"
