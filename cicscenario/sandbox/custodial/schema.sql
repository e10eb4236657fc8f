-- The engine's tables, after cic-eth's own. Addresses and hashes are lower-case hexadecimal without 0x.
CREATE TABLE IF NOT EXISTS lock (
  blockchain text NOT NULL,
  address char(40) NOT NULL,
  flags integer NOT NULL,
  PRIMARY KEY (blockchain, address)
);
CREATE TABLE IF NOT EXISTS account_role (
  tag text PRIMARY KEY,
  address_hex char(40) NOT NULL
);
-- The next nonce of an address.
CREATE TABLE IF NOT EXISTS nonce (
  address_hex char(40) PRIMARY KEY,
  nonce bigint NOT NULL
);
-- Permission for a task tree to send one transaction of an address. The nonce itself is allocated when the transaction is
-- signed, so that a tree that fails leaves no gap.
CREATE TABLE IF NOT EXISTS nonce_task_reservation (
  key text NOT NULL,
  address_hex char(40) NOT NULL,
  PRIMARY KEY (key, address_hex)
);
-- Outgoing transactions. Status: waitforgas -> queued -> signed (the bytes never change again) -> sent -> final or failed. A
-- failed one may be queued again; until it is signed, it has the nonce of the failed one.
CREATE TABLE IF NOT EXISTS otx (
  id bigserial PRIMARY KEY,
  purpose text NOT NULL CHECK (purpose IN ('register', 'gas', 'faucet')),
  account char(40) NOT NULL,
  sender char(40) NOT NULL,
  status text NOT NULL,
  nonce bigint,
  tx_hash char(64) UNIQUE,
  signed_tx text,
  date_sent timestamptz,
  UNIQUE (purpose, account)
);
CREATE INDEX IF NOT EXISTS otx_open ON otx (status, id) WHERE status NOT IN ('final', 'failed');
-- The tracker's cursor: the last block that it has read.
CREATE TABLE IF NOT EXISTS syncer (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  block bigint NOT NULL
);
