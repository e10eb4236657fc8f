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

#: Each row has a digest. Transactions and requests are numbered again, from 1 and without gaps.
_DIGESTS = """
CREATE TABLE meta_new (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  digest BLOB NOT NULL GENERATED ALWAYS AS (row_digest('meta', key, value)) STORED
) WITHOUT ROWID;
INSERT INTO meta_new (key, value)
  SELECT key, value FROM meta;
DROP TABLE meta;
ALTER TABLE meta_new RENAME TO meta;
CREATE TABLE people_new (
  id INTEGER PRIMARY KEY,
  document TEXT NOT NULL,
  phone TEXT NOT NULL UNIQUE,
  language TEXT NOT NULL,
  tags TEXT NOT NULL,
  old_address BLOB NOT NULL,
  gift INTEGER NOT NULL,
  address BLOB UNIQUE,
  spelled TEXT,
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('people', id, document, phone, language, tags, old_address, gift, address, spelled)
  ) STORED
);
INSERT INTO people_new (id, document, phone, language, tags, old_address, gift, address, spelled)
  SELECT id, document, phone, language, tags, old_address, gift, address, spelled FROM people;
DROP TABLE people;
ALTER TABLE people_new RENAME TO people;
CREATE TABLE outcomes_new (
  step TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  ok INTEGER NOT NULL,
  detail TEXT,
  digest BLOB NOT NULL GENERATED ALWAYS AS (row_digest('outcomes', step, person, ok, detail)) STORED,
  PRIMARY KEY (step, person)
) WITHOUT ROWID;
INSERT INTO outcomes_new (step, person, ok, detail)
  SELECT step, person, ok, detail FROM outcomes;
DROP TABLE outcomes;
ALTER TABLE outcomes_new RENAME TO outcomes;
CREATE TABLE ledger_new (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  purpose TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  signer BLOB NOT NULL,
  nonce INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  raw BLOB NOT NULL,
  gas INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('signed', 'broadcast', 'mined', 'failed', 'replaced')),
  block INTEGER,
  detail TEXT,
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('ledger', id, purpose, person, signer, nonce, hash, raw, gas, status, block, detail)
  ) STORED
);
INSERT INTO ledger_new (purpose, person, signer, nonce, hash, raw, gas, status, block, detail)
  SELECT purpose, person, signer, nonce, hash, raw, gas, status, block, detail FROM ledger ORDER BY id;
DROP TABLE ledger;
ALTER TABLE ledger_new RENAME TO ledger;
CREATE UNIQUE INDEX one_live_nonce ON ledger (signer, nonce) WHERE status NOT IN ('failed', 'replaced');
CREATE UNIQUE INDEX one_live_transaction ON ledger (purpose, person) WHERE status NOT IN ('failed', 'replaced');
CREATE INDEX nonces ON ledger (signer, nonce);
CREATE INDEX failed ON ledger (purpose, person) WHERE status = 'failed';
CREATE INDEX outstanding ON ledger (signer, nonce) WHERE status IN ('signed', 'broadcast');
CREATE TABLE requests_new (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  person INTEGER NOT NULL REFERENCES people (id),
  channel TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('asked', 'created', 'failed')),
  address BLOB,
  detail TEXT,
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('requests', sequence, id, person, channel, status, address, detail)
  ) STORED
);
INSERT INTO requests_new (id, person, channel, status, address, detail)
  SELECT id, person, channel, status, address, detail FROM requests ORDER BY sequence;
DROP TABLE requests;
ALTER TABLE requests_new RENAME TO requests;
CREATE INDEX requests_of_person ON requests (person);
CREATE TABLE checks_new (
  name TEXT PRIMARY KEY,
  errors INTEGER NOT NULL,
  total INTEGER NOT NULL,
  allowed TEXT,
  failing TEXT NOT NULL,
  read_back INTEGER NOT NULL DEFAULT 0,
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('checks', name, errors, total, allowed, failing, read_back)
  ) STORED
) WITHOUT ROWID;
INSERT INTO checks_new (name, errors, total, allowed, failing, read_back)
  SELECT name, errors, total, allowed, failing, read_back FROM checks;
DROP TABLE checks;
ALTER TABLE checks_new RENAME TO checks
"""

#: Outcomes and checks have a time, and everybody who does not pass a check is kept, not only the first.
_TIMES = """
CREATE TABLE outcomes_new (
  step TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  ok INTEGER NOT NULL,
  detail TEXT,
  at INTEGER NOT NULL DEFAULT 0,
  digest BLOB NOT NULL GENERATED ALWAYS AS (row_digest('outcomes', step, person, ok, detail, at)) STORED,
  PRIMARY KEY (step, person)
) WITHOUT ROWID;
INSERT INTO outcomes_new (step, person, ok, detail)
  SELECT step, person, ok, detail FROM outcomes;
DROP TABLE outcomes;
ALTER TABLE outcomes_new RENAME TO outcomes;
CREATE INDEX failures ON outcomes (person) WHERE ok = 0;
CREATE TABLE checks_new (
  name TEXT PRIMARY KEY,
  errors INTEGER NOT NULL,
  total INTEGER NOT NULL,
  allowed TEXT,
  failing TEXT NOT NULL,
  read_back INTEGER NOT NULL DEFAULT 0,
  at INTEGER NOT NULL DEFAULT 0,
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('checks', name, errors, total, allowed, failing, read_back, at)
  ) STORED
) WITHOUT ROWID;
INSERT INTO checks_new (name, errors, total, allowed, failing, read_back)
  SELECT name, errors, total, allowed, failing, read_back FROM checks;
DROP TABLE checks;
ALTER TABLE checks_new RENAME TO checks;
CREATE TABLE findings (
  name TEXT NOT NULL,
  first INTEGER NOT NULL,
  failing TEXT NOT NULL,
  digest BLOB NOT NULL GENERATED ALWAYS AS (row_digest('findings', name, first, failing)) STORED,
  PRIMARY KEY (name, first)
) WITHOUT ROWID
"""

#: Payments that are asked of a service.
_PAYMENTS = """
CREATE TABLE payments (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  number INTEGER NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  status TEXT NOT NULL CHECK (status IN ('asked', 'paid', 'refused', 'failed')),
  hash BLOB,
  detail TEXT,
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('payments', sequence, id, number, person, status, hash, detail)
  ) STORED
);
CREATE INDEX payments_by_number ON payments (number);
CREATE INDEX payments_by_person ON payments (person);
CREATE INDEX payments_open ON payments (number) WHERE status = 'asked'
"""

#: Pairs of a version and the SQL that converts it to the next one. Semicolons only between statements.
MIGRATIONS: tuple[tuple[int, str], ...] = (
    (1, _ORDER_OF_REQUESTS),
    (2, _SPELLED),
    (3, _REPLACED),
    (4, _DIGESTS),
    (5, _TIMES),
    (6, _PAYMENTS),
)
SCHEMA_VERSION = MIGRATIONS[-1][0] + 1
WITH_DIGESTS = 5  #: the first version that has digests


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
