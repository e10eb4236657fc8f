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
-- A task tree may send one transaction of an address; the number itself is drawn when it is signed, so that none is lost.
CREATE TABLE IF NOT EXISTS nonce_task_reservation (
  key text NOT NULL,
  address_hex char(40) NOT NULL,
  PRIMARY KEY (key, address_hex)
);
-- Transactions. waitforgas -> queued -> signed (its bytes never change again) -> sent -> final or failed. One that failed and
-- is asked for again is queued again; until it is signed it has the nonce that the failed one spent.
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
  block bigint,
  UNIQUE (purpose, account)
);
CREATE INDEX IF NOT EXISTS otx_open ON otx (status, id) WHERE status NOT IN ('final', 'failed');
-- The last block that the tracker has read.
CREATE TABLE IF NOT EXISTS syncer (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  block bigint NOT NULL
);
