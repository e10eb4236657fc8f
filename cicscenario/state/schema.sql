-- The state of one run. One writer (this folder); WAL; the ledger commits with synchronous=FULL.
-- SQLite computes each row's digest when it writes the row, with a function of integrity.py: nobody else can write a row.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  digest BLOB NOT NULL GENERATED ALWAYS AS (row_digest('meta', key, value)) STORED
) WITHOUT ROWID;

CREATE TABLE people (
  id INTEGER PRIMARY KEY,        -- index in the population, from 0
  document TEXT NOT NULL,        -- JSON, as generated; the new address is added when it is written out
  phone TEXT NOT NULL UNIQUE,    -- E.164
  language TEXT NOT NULL,
  tags TEXT NOT NULL,            -- JSON list
  old_address BLOB NOT NULL,
  gift INTEGER NOT NULL,         -- whole tokens
  address BLOB UNIQUE,           -- the account, once there is one
  spelled TEXT,                  -- the account as person documents write it; NULL: with checksum and 0x
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('people', id, document, phone, language, tags, old_address, gift, address, spelled)
  ) STORED
);

CREATE TABLE outcomes (
  step TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  ok INTEGER NOT NULL,           -- 1 done, 0 failed (tried again by the next run)
  detail TEXT,
  at INTEGER NOT NULL DEFAULT 0, -- when it was written, in Unix seconds; 0: not known
  digest BLOB NOT NULL GENERATED ALWAYS AS (row_digest('outcomes', step, person, ok, detail, at)) STORED,
  PRIMARY KEY (step, person)
) WITHOUT ROWID;
CREATE INDEX failures ON outcomes (person) WHERE ok = 0;

CREATE TABLE ledger (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were signed, without a gap
  purpose TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  signer BLOB NOT NULL,
  nonce INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  raw BLOB NOT NULL,
  gas INTEGER NOT NULL,          -- gas limit
  status TEXT NOT NULL CHECK (status IN ('signed', 'broadcast', 'mined', 'failed', 'replaced')),
  block INTEGER,
  detail TEXT,
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('ledger', id, purpose, person, signer, nonce, hash, raw, gas, status, block, detail)
  ) STORED
);
-- Of several transactions with one nonce only one can be mined. Those that are not are replaced, or failed.
CREATE UNIQUE INDEX one_live_nonce ON ledger (signer, nonce) WHERE status NOT IN ('failed', 'replaced');
-- A failed transaction is proved to have done nothing, so it may be followed by another for the same purpose.
CREATE UNIQUE INDEX one_live_transaction ON ledger (purpose, person) WHERE status NOT IN ('failed', 'replaced');
CREATE INDEX nonces ON ledger (signer, nonce);
CREATE INDEX failed ON ledger (purpose, person) WHERE status = 'failed';
CREATE INDEX outstanding ON ledger (signer, nonce) WHERE status IN ('signed', 'broadcast');

-- What was asked of a service that holds the keys itself; written before it is asked.
CREATE TABLE requests (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were written, without a gap
  id TEXT NOT NULL UNIQUE,       -- as the service knows it: the root task's id, or the session's
  person INTEGER NOT NULL REFERENCES people (id),
  channel TEXT NOT NULL,         -- where the answer is published, if anywhere
  status TEXT NOT NULL CHECK (status IN ('asked', 'created', 'failed')),
  address BLOB,                  -- the account that was created
  detail TEXT,
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('requests', sequence, id, person, channel, status, address, detail)
  ) STORED
);
CREATE INDEX requests_of_person ON requests (person);

-- The payments that were asked of a service that holds the keys itself; each written before it is asked.
CREATE TABLE payments (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were written, without a gap
  id TEXT NOT NULL UNIQUE,       -- as the service knows the request; or of a transfer that was found on the chain
  number INTEGER NOT NULL,       -- of the payment; it may be asked for again when nothing came of a request
  person INTEGER NOT NULL REFERENCES people (id),  -- who pays
  status TEXT NOT NULL CHECK (status IN ('asked', 'paid', 'refused', 'failed')),
  hash BLOB,                     -- of its transaction, once that is known
  detail TEXT,
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('payments', sequence, id, number, person, status, hash, detail)
  ) STORED
);
CREATE INDEX payments_by_number ON payments (number);
CREATE INDEX payments_by_person ON payments (person);
CREATE INDEX payments_open ON payments (number) WHERE status = 'asked';

CREATE TABLE checks (
  name TEXT PRIMARY KEY,
  errors INTEGER NOT NULL,
  total INTEGER NOT NULL,
  allowed TEXT,                  -- what a bounded comparison allowed
  failing TEXT NOT NULL,         -- JSON list of the first failing people
  read_back INTEGER NOT NULL DEFAULT 0,  -- people whose result the run itself had read back after writing
  at INTEGER NOT NULL DEFAULT 0,         -- when it ended, in Unix seconds; 0: not known
  digest BLOB NOT NULL GENERATED ALWAYS AS (
    row_digest('checks', name, errors, total, allowed, failing, read_back, at)
  ) STORED
) WITHOUT ROWID;

-- Everybody who does not pass a check, in pages: one row has the people from ``first`` on, up to the next row.
CREATE TABLE findings (
  name TEXT NOT NULL,
  first INTEGER NOT NULL,
  failing TEXT NOT NULL,         -- JSON list of person, problem, and whether the check was made
  digest BLOB NOT NULL GENERATED ALWAYS AS (row_digest('findings', name, first, failing)) STORED,
  PRIMARY KEY (name, first)
) WITHOUT ROWID;
