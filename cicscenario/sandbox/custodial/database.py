"""The engine's tables in PostgreSQL: locks, roles, nonce reservations, and transactions with their status.

Everything that must happen only once is a row with a unique key, so any process may be killed at any moment.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from cicscenario import libpq
from cicscenario.sandbox.custodial.errors import IntegrityError

ZERO = "0" * 40
WRITER, GIFTER = "ACCOUNT_REGISTRY_WRITER", "GAS_GIFTER"


@dataclass(frozen=True)
class Otx:
    """An outgoing transaction (cic-eth's name for it). ``purpose`` is register, gas or faucet, for ``account``.

    A transaction that is queued again after a failure has the ``nonce`` of the failed one.
    """

    id: int
    purpose: str
    account: str
    sender: str
    nonce: int | None = None
    tx_hash: str | None = None
    signed_tx: str | None = None


class EngineDatabase:
    """One connection to the database. Not thread-safe."""

    def __init__(self, dsn: str) -> None:
        self._connection = libpq.connect(dsn=dsn)
        self._connection.autocommit = True  # a single statement then takes one round trip

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
            cursor.execute((Path(__file__).parent / "schema.sql").read_text("utf-8"))

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
                "UPDATE lock SET flags = flags & ~%s WHERE blockchain = %s AND address = %s", (flags, chain, address)
            )

    def locked(self, chain: str, flags: int, addresses: Sequence[str]) -> int:
        """The bits of ``flags`` that are set for any of the addresses."""
        with self._statement() as cursor:
            cursor.execute(
                "SELECT coalesce(bit_or(flags & %s), 0) FROM lock WHERE blockchain = %s AND address = ANY(%s)",
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

    def reserve(self, root_id: str, address: str) -> None:
        """Reserves a nonce of ``address`` for a task tree; a second call changes nothing."""
        with self._statement() as cursor:
            cursor.execute(
                "INSERT INTO nonce_task_reservation VALUES (%s, %s) ON CONFLICT DO NOTHING", (root_id, address)
            )

    def register(self, root_id: str, account: str, writer: str) -> None:
        """Queues the registration of ``account`` and takes the task tree's reservation. A second call changes nothing.

        Raises IntegrityError, with cic-eth's text, when there is no reservation.
        """
        with self.transaction() as cursor:
            queued = queue(cursor, [("register", account, writer, "queued")])
            take_reservation(cursor, root_id, writer, needed=queued > 0)

    def signed(self, limit: int) -> list[Otx]:
        """The oldest signed transactions that have not been sent."""
        with self._statement() as cursor:
            cursor.execute(f"{_SELECT} WHERE status = 'signed' ORDER BY id LIMIT %s", (limit,))
            return [Otx(*row) for row in cursor.fetchall()]

    def stale(self, seconds: float, limit: int) -> list[Otx]:
        """Transactions that were sent more than ``seconds`` ago and are not mined, in the order of their nonces."""
        with self._statement() as cursor:
            cursor.execute(
                f"{_SELECT} WHERE status = 'sent' AND date_sent < now() - %s * interval '1 second'"
                " ORDER BY nonce, id LIMIT %s",
                (seconds, limit),
            )
            return [Otx(*row) for row in cursor.fetchall()]

    def in_flight(self) -> int:
        with self._statement() as cursor:
            cursor.execute("SELECT count(*) FROM otx WHERE status IN ('signed', 'sent')")
            (count,) = cursor.fetchall()[0]
        return int(count)

    def mark_sent(self, ids: Sequence[int]) -> None:
        with self._statement() as cursor:
            cursor.execute(
                "UPDATE otx SET status = 'sent', date_sent = now() WHERE id = ANY(%s) AND status IN ('signed', 'sent')",
                (list(ids),),
            )


_SELECT = "SELECT id, purpose, account, sender, nonce, tx_hash, signed_tx FROM otx"


def take_reservation(cursor: Cursor, root_id: str, address: str, *, needed: bool) -> None:
    """Deletes a task tree's reservation. Raises IntegrityError, with cic-eth's text, if it is ``needed`` and missing."""
    cursor.execute("DELETE FROM nonce_task_reservation WHERE key = %s AND address_hex = %s", (root_id, address))
    if needed and not cursor.rowcount:
        raise IntegrityError(f'"release" called on key {root_id} address {address} which does not exists')


def queue(cursor: Cursor, rows: Iterable[tuple[str, str, str, str]]) -> int:
    """Adds transactions (purpose, account, sender, status) that do not exist or have failed; gives their number.

    A failed one is queued again with a new nonce, as in cic-eth: the chain has used the old nonce.
    """
    queued = execute_values(
        cursor,
        "INSERT INTO otx (purpose, account, sender, status) VALUES %s ON CONFLICT (purpose, account) DO UPDATE"
        " SET sender = EXCLUDED.sender, status = EXCLUDED.status, tx_hash = NULL, signed_tx = NULL"
        " WHERE otx.status = 'failed' RETURNING id",
        list(dict.fromkeys(rows)),
        page_size=1000,
        fetch=True,
    )
    return len(queued)


def open_by_hash(cursor: Cursor, hashes: Sequence[str]) -> list[Otx]:
    """Transactions with these hashes that are neither final nor failed."""
    cursor.execute(
        f"{_SELECT} WHERE tx_hash = ANY(%s) AND status NOT IN ('final', 'failed') ORDER BY id", (list(hashes),)
    )
    return [Otx(*row) for row in cursor.fetchall()]


def take_queued(cursor: Cursor, limit: int) -> list[Otx]:
    """The oldest queued transactions; their rows are locked until the database transaction ends."""
    cursor.execute(f"{_SELECT} WHERE status = 'queued' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED", (limit,))
    return [Otx(*row) for row in cursor.fetchall()]


def take_faucet(cursor: Cursor, account: str) -> list[Otx]:
    """The faucet's payout to an account, if there is one; its row is locked until the database transaction ends."""
    cursor.execute(f"{_SELECT} WHERE account = %s AND purpose = 'faucet' FOR UPDATE", (account,))
    return [Otx(*row) for row in cursor.fetchall()]


def finish(cursor: Cursor, ids: Sequence[int], status: str) -> None:
    """Sets the last status of transactions: final or failed."""
    cursor.execute("UPDATE otx SET status = %s WHERE id = ANY(%s)", (status, list(ids)))


def allocate_nonces(cursor: Cursor, counts: dict[str, int]) -> dict[str, int]:
    """Allocates as many consecutive nonces as ``counts`` says for each address; gives the first of each."""
    allocated = execute_values(
        cursor,
        "INSERT INTO nonce VALUES %s ON CONFLICT (address_hex)"
        " DO UPDATE SET nonce = nonce.nonce + EXCLUDED.nonce RETURNING address_hex, nonce",
        list(counts.items()),
        page_size=1000,
        fetch=True,
    )
    return {address: after - counts[address] for address, after in allocated}
