-- The state of one run. One writer (store.py); WAL; the ledger commits with synchronous=FULL.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE people (
  id INTEGER PRIMARY KEY,        -- index in the population, from 0
  document TEXT NOT NULL,        -- JSON, as generated; the new address is added when it is written out
  phone TEXT NOT NULL UNIQUE,    -- E.164
  language TEXT NOT NULL,
  tags TEXT NOT NULL,            -- JSON list
  old_address BLOB NOT NULL,
  gift INTEGER NOT NULL,         -- whole tokens
  address BLOB UNIQUE,           -- the account, once there is one
  spelled TEXT                   -- the account as person documents write it; NULL: with checksum and 0x
);

CREATE TABLE outcomes (
  step TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  ok INTEGER NOT NULL,           -- 1 done, 0 failed (tried again by the next run)
  detail TEXT,
  PRIMARY KEY (step, person)
) WITHOUT ROWID;

CREATE TABLE ledger (
  id INTEGER PRIMARY KEY,
  purpose TEXT NOT NULL,
  person INTEGER NOT NULL REFERENCES people (id),
  signer BLOB NOT NULL,
  nonce INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  raw BLOB NOT NULL,
  gas INTEGER NOT NULL,          -- gas limit
  status TEXT NOT NULL CHECK (status IN ('signed', 'broadcast', 'mined', 'failed', 'replaced')),
  block INTEGER,
  detail TEXT
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
  sequence INTEGER PRIMARY KEY,  -- the order in which they were written
  id TEXT NOT NULL UNIQUE,       -- as the service knows it: the root task's id, or the session's
  person INTEGER NOT NULL REFERENCES people (id),
  channel TEXT NOT NULL,         -- where the answer is published, if anywhere
  status TEXT NOT NULL CHECK (status IN ('asked', 'created', 'failed')),
  address BLOB,                  -- the account that was created
  detail TEXT
);
CREATE INDEX requests_of_person ON requests (person);

CREATE TABLE checks (
  name TEXT PRIMARY KEY,
  errors INTEGER NOT NULL,
  total INTEGER NOT NULL,
  allowed TEXT,                  -- what a bounded comparison allowed
  failing TEXT NOT NULL,         -- JSON list of the first failing people
  read_back INTEGER NOT NULL DEFAULT 0  -- people whose result the run itself had read back after writing
) WITHOUT ROWID;
