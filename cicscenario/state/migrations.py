"""Converts the state of an earlier version to the format of ``schema.sql``, in place.

To change the format, add a pair to ``MIGRATIONS`` and make the same change in ``schema.sql``.
"""

import sqlite3

from cicscenario.boundaries import Boundary

_CONVERT = Boundary("state.convert")
_ORDER_OF_REQUESTS = """
CREATE TABLE requests_new (
  sequence INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  person INTEGER NOT NULL REFERENCES people (id),
  channel TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('asked', 'created', 'failed')),
  address BLOB,
  detail TEXT
);
-- The order of earlier requests is not known, but those that failed came before others.
INSERT INTO requests_new (id, person, channel, status, address, detail)
  SELECT id, person, channel, status, address, detail FROM requests ORDER BY status <> 'failed', id;
DROP TABLE requests;
ALTER TABLE requests_new RENAME TO requests;
CREATE INDEX requests_of_person ON requests (person)
"""

#: Earlier versions wrote every account with checksum and 0x into person documents, which is what NULL means.
_SPELLED = """
ALTER TABLE people ADD COLUMN spelled TEXT;
ALTER TABLE checks ADD COLUMN read_back INTEGER NOT NULL DEFAULT 0
"""

#: Several transactions with one nonce: a transaction that is replaced by one with a higher fee, or by another program's.
_REPLACED = """
CREATE TABLE ledger_new (
  id INTEGER PRIMARY KEY,
  purpose TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  signer BLOB NOT NULL,
  nonce INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  raw BLOB NOT NULL,
  gas INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('signed', 'broadcast', 'mined', 'failed', 'replaced')),
  block INTEGER,
  detail TEXT
);
INSERT INTO ledger_new SELECT id, purpose, person, signer, nonce, hash, raw, gas, status, block, detail FROM ledger;
DROP TABLE ledger;
ALTER TABLE ledger_new RENAME TO ledger;
CREATE UNIQUE INDEX one_live_nonce ON ledger (signer, nonce) WHERE status NOT IN ('failed', 'replaced');
CREATE UNIQUE INDEX one_live_transaction ON ledger (purpose, person) WHERE status NOT IN ('failed', 'replaced');
CREATE INDEX nonces ON ledger (signer, nonce);
CREATE INDEX failed ON ledger (purpose, person) WHERE status = 'failed';
CREATE INDEX outstanding ON ledger (signer, nonce) WHERE status IN ('signed', 'broadcast')
"""

#: Pairs of a version and the SQL that converts it to the next one. Semicolons only between statements.
MIGRATIONS: tuple[tuple[int, str], ...] = ((1, _ORDER_OF_REQUESTS), (2, _SPELLED), (3, _REPLACED))
SCHEMA_VERSION = MIGRATIONS[-1][0] + 1


def version_of(db: sqlite3.Connection) -> int:
    """The format version of a state; 0 for a file that is not a state."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def migrate(db: sqlite3.Connection) -> None:
    """Converts a state to ``SCHEMA_VERSION`` in one transaction, if it has an earlier one.

    Raises sqlite3.Error; then the state is unchanged.
    """
    if version_of(db) == SCHEMA_VERSION:
        return
    with _CONVERT:
        db.execute("BEGIN IMMEDIATE")
        try:
            found = version_of(db)  # another process may have been faster
            for statement in (part for version, sql in MIGRATIONS if version >= found for part in sql.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
