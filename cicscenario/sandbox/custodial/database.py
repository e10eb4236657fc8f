"""The engine's tables in PostgreSQL: locks, roles, nonce reservations, and transactions with their status."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from cicscenario.chain.signer import Signed
from cicscenario.sandbox import preparing
from cicscenario.sandbox.custodial.errors import IntegrityError

ZERO = "0" * 40
SCHEMA = (Path(__file__).parent / "schema.sql").read_text("utf-8")
WRITER, GIFTER = "ACCOUNT_REGISTRY_WRITER", "GAS_GIFTER"


@dataclass(frozen=True)
class Otx:
    """An outgoing transaction (cic-eth's name for it), for ``account``. Hash and bytes are hexadecimal, without 0x."""

    id: int
    purpose: str
    account: str
    sender: str
    nonce: int
    tx_hash: str
    signed_tx: str


class EngineDatabase:
    """One connection to the database. Not thread-safe."""

    def __init__(self, dsn: str) -> None:
        self._connection = preparing.connect(dsn=dsn)  # a single statement takes one round trip

    @contextmanager
    def _statement(self) -> Iterator[Cursor]:
        with self._connection.cursor() as cursor:
            yield cursor

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A cursor in a transaction, which is committed when the block ends and rolled back when it raises."""
        with self._connection, self._connection.cursor() as cursor:
            yield cursor

    def prepare(self) -> None:
        """Creates the tables."""
        with self.transaction() as cursor:
            cursor.execute(SCHEMA)

    def lock(self, chain: str, address: str, flags: int) -> None:
        with self._statement() as cursor:
            cursor.execute(
                "INSERT INTO lock VALUES (%s, %s, %s) ON CONFLICT (blockchain, address)"
                " DO UPDATE SET flags = lock.flags | EXCLUDED.flags",
                (chain, address, flags),
            )

    def unlock(self, chain: str, address: str, flags: int) -> None:
        with self._statement() as cursor:
            cursor.execute(
                "UPDATE lock SET flags = flags & ~%s::integer WHERE blockchain = %s AND address = %s",
                (flags, chain, address),
            )

    def locked(self, chain: str, flags: int, addresses: Sequence[str]) -> int:
        """The bits of ``flags`` that are set for any of the addresses."""
        with self._statement() as cursor:
            cursor.execute(
                "SELECT coalesce(bit_or(flags & %s), 0) FROM lock WHERE blockchain = %s AND address = ANY(%s::bpchar[])",
                (flags, chain, list(addresses)),
            )
            (found,) = cursor.fetchall()[0]
        return int(found)

    def set_role(self, tag: str, address: str) -> None:
        with self._statement() as cursor:
            cursor.execute(
                "INSERT INTO account_role VALUES (%s, %s) ON CONFLICT (tag)"
                " DO UPDATE SET address_hex = EXCLUDED.address_hex",
                (tag, address),
            )

    def roles(self) -> dict[str, str]:
        """Addresses by tag."""
        with self._statement() as cursor:
            cursor.execute("SELECT tag, address_hex FROM account_role ORDER BY tag")
            return dict(cursor.fetchall())

    def role(self, tag: str) -> str:
        """The address of a role; zeros when nobody has it, as in cic-eth."""
        return self.roles().get(tag, ZERO)

    def reserve(self, root_id: str, address: str) -> None:
        """Reserves the next nonce of ``address`` for a task tree.

        Raises IntegrityError, with cic-eth's text, when the tree has a reservation of that address already.
        """
        with self._statement() as cursor:
            cursor.execute(_RESERVE, {"key": root_id, "address": address})
            if not cursor.fetchall():
                raise IntegrityError(
                    f'"next" called on nonce for key {root_id} address {address} during active key {root_id}'
                )

    def add_reserved(
        self, root_id: str, purpose: str, account: str, sender: str, sign: Callable[[int], Signed]
    ) -> Signed:
        """Stores the transaction that ``sign`` makes with the nonce that its task tree has reserved, and gives it.

        The reservation is gone then. The transaction is not sent before it is ready. Raises IntegrityError, with cic-eth's
        text, when there is no reservation. When ``sign`` raises, the reservation stays.
        """
        signed = sign(nonce := self._reserved(root_id, sender))
        with self._statement() as cursor:
            cursor.execute(
                _ADD_RESERVED,
                (root_id, sender, purpose, account, sender, nonce, signed.hash.hex(), signed.raw.hex()),
            )
            if not cursor.fetchall():
                raise _no_reservation(root_id, sender)
        return signed

    def _reserved(self, root_id: str, address: str) -> int:
        with self._statement() as cursor:
            cursor.execute(
                "SELECT nonce FROM nonce_task_reservation WHERE key = %s AND address_hex = %s", (root_id, address)
            )
            found = cursor.fetchall()
        if not found:
            raise _no_reservation(root_id, address)
        return int(found[0][0])

    def otx_id(self, tx_hash: str) -> int | None:
        with self._statement() as cursor:
            cursor.execute("SELECT id FROM otx WHERE tx_hash = %s", (tx_hash,))
            found = cursor.fetchall()
        return int(found[0][0]) if found else None

    def mark_ready(self, tx_hash: str) -> None:
        """Lets the dispatcher send a transaction, unless it has been sent already."""
        self._mark(tx_hash, "ready", ("pending", "waitforgas"))

    def mark_waiting(self, tx_hash: str) -> None:
        """Says that a transaction waits until its sender can pay for it."""
        self._mark(tx_hash, "waitforgas", ("pending",))

    def _mark(self, tx_hash: str, status: str, before: tuple[str, ...]) -> None:
        with self._statement() as cursor:
            cursor.execute(
                "UPDATE otx SET status = %s WHERE tx_hash = %s AND status = ANY(%s)", (status, tx_hash, list(before))
            )

    @contextmanager
    def alone(self, account: str) -> Iterator[None]:
        """While the block runs, no other process runs such a block for the account: it waits. Do not nest them."""
        with self._statement() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", (account,))
        try:
            yield
        finally:
            lost = (psycopg2.OperationalError, psycopg2.InterfaceError)  # the lock has ended with the connection
            with suppress(*lost), self._statement() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", (account,))

    def is_filling(self, recipient: str) -> bool:
        """Whether a gift of gas for ``recipient`` is on its way."""
        with self._statement() as cursor:
            cursor.execute(
                "SELECT 1 FROM otx WHERE purpose = 'gas' AND account = %s AND status NOT IN ('final', 'failed') LIMIT 1",
                (recipient,),
            )
            return bool(cursor.fetchall())

    def was_registered(self, account: str) -> bool:
        """Whether a registration of ``account`` was ever signed."""
        with self._statement() as cursor:
            cursor.execute("SELECT 1 FROM otx WHERE purpose = 'register' AND account = %s LIMIT 1", (account,))
            return bool(cursor.fetchall())

    def signed_of(self, address: str) -> dict[str, str]:
        """The signed bytes of the transactions from or for ``address``, by hash."""
        with self._statement() as cursor:
            cursor.execute(
                "SELECT tx_hash, signed_tx FROM otx WHERE sender = %(address)s OR account = %(address)s ORDER BY id",
                {"address": address},
            )
            return dict(cursor.fetchall())

    def dated(self, hashes: Collection[str]) -> list[tuple[Otx, str, int]]:
        """Transactions with their status, and when they were made, in Unix seconds."""
        with self._statement() as cursor:
            columns = _SELECT.replace(" FROM", ", status, floor(extract(epoch FROM date_created))::bigint FROM", 1)
            cursor.execute(f"{columns} WHERE tx_hash = ANY(%s::bpchar[])", (list(hashes),))
            return [(Otx(*row[:7]), row[7], row[8]) for row in cursor.fetchall()]

    def ready(self, limit: int) -> list[Otx]:
        """Transactions that are ready and have not been sent, the lowest nonces first."""
        with self._statement() as cursor:
            cursor.execute(f"{_SELECT} WHERE status = 'ready' ORDER BY nonce, id LIMIT %s", (limit,))
            return [Otx(*row) for row in cursor.fetchall()]

    def has_unmined(self) -> bool:
        """Whether any transaction was sent and is not known to be mined."""
        with self._statement() as cursor:
            cursor.execute("SELECT 1 FROM otx WHERE status = 'sent' LIMIT 1")
            return bool(cursor.fetchall())

    def stale(self, seconds: float, limit: int) -> list[Otx]:
        """Transactions that were sent more than ``seconds`` ago and are not mined, in the order of their nonces."""
        with self._statement() as cursor:
            cursor.execute(
                f"{_SELECT} WHERE status = 'sent' AND date_sent < now() - %s * interval '1 second'"
                " ORDER BY nonce, id LIMIT %s",
                (seconds, limit),
            )
            return [Otx(*row) for row in cursor.fetchall()]

    def mark_sent(self, ids: Sequence[int]) -> None:
        with self._statement() as cursor:
            cursor.execute(
                "UPDATE otx SET status = 'sent', date_sent = now() WHERE id = ANY(%s) AND status IN ('ready', 'sent')",
                (list(ids),),
            )


#: Each is one statement, since every statement of a transaction is a round trip.
_RESERVE = """
WITH next AS (
  INSERT INTO nonce SELECT %(address)s::bpchar, 1 WHERE NOT EXISTS (
    SELECT 1 FROM nonce_task_reservation WHERE key = %(key)s AND address_hex = %(address)s
  ) ON CONFLICT (address_hex) DO UPDATE SET nonce = nonce.nonce + 1 RETURNING nonce - 1 AS nonce
)
INSERT INTO nonce_task_reservation SELECT %(key)s::text, %(address)s, nonce FROM next RETURNING nonce"""
_ADD_RESERVED = """
WITH used AS (DELETE FROM nonce_task_reservation WHERE key = %s AND address_hex = %s RETURNING nonce),
added AS (
  INSERT INTO otx (purpose, account, sender, nonce, tx_hash, signed_tx)
  SELECT %s, %s, %s, %s::bigint, %s, %s FROM used
  ON CONFLICT (tx_hash) DO NOTHING
)
SELECT nonce FROM used"""
_SELECT = "SELECT id, purpose, account, sender, nonce, tx_hash, signed_tx FROM otx"


def allocate_nonce(cursor: Cursor, address: str) -> int:
    """The next nonce of an address, which nobody else gets."""
    cursor.execute(
        "INSERT INTO nonce VALUES (%s, 1) ON CONFLICT (address_hex) DO UPDATE SET nonce = nonce.nonce + 1"
        " RETURNING nonce - 1",
        (address,),
    )
    ((nonce,),) = cursor.fetchall()
    return int(nonce)


def _no_reservation(root_id: str, address: str) -> Exception:
    return IntegrityError(f'"release" called on key {root_id} address {address} which does not exists')


def add_otx(cursor: Cursor, purpose: str, account: str, sender: str, signed: Signed, nonce: int) -> None:
    """Stores a signed transaction; it is not sent before it is ready."""
    cursor.execute(
        "INSERT INTO otx (purpose, account, sender, nonce, tx_hash, signed_tx) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (tx_hash) DO NOTHING",
        (purpose, account, sender, nonce, signed.hash.hex(), signed.raw.hex()),
    )


def open_by_hash(cursor: Cursor, hashes: Sequence[str]) -> list[Otx]:
    """Transactions with these hashes that are neither final nor failed."""
    cursor.execute(
        f"{_SELECT} WHERE tx_hash = ANY(%s::bpchar[]) AND status NOT IN ('final', 'failed') ORDER BY id",
        (list(hashes),),
    )
    return [Otx(*row) for row in cursor.fetchall()]


def waiting_for_gas(cursor: Cursor, senders: Collection[str]) -> list[Otx]:
    """Transactions of these senders that wait for gas."""
    cursor.execute(
        f"{_SELECT} WHERE sender = ANY(%s::bpchar[]) AND status = 'waitforgas' ORDER BY id", (list(senders),)
    )
    return [Otx(*row) for row in cursor.fetchall()]


def finish(cursor: Cursor, ids: Sequence[int], status: str) -> None:
    """Sets the last status of transactions: final or failed."""
    cursor.execute("UPDATE otx SET status = %s WHERE id = ANY(%s)", (status, list(ids)))
