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
-- The nonces that task trees have reserved and not used yet. The nonce of a tree that fails is never used: every later
-- transaction of its address waits for ever, as with cic-eth.
CREATE TABLE IF NOT EXISTS nonce_task_reservation (
  key text NOT NULL,
  address_hex char(40) NOT NULL,
  nonce bigint NOT NULL,
  PRIMARY KEY (key, address_hex)
);
-- Outgoing transactions; their bytes never change. Status: pending -> ready, or waitforgas and then ready -> sent -> final or
-- failed. ``purpose`` is register, gas, faucet, transfer or custom, for ``account``.
CREATE TABLE IF NOT EXISTS otx (
  id bigserial PRIMARY KEY,
  purpose text NOT NULL,
  account char(40) NOT NULL,
  sender char(40) NOT NULL,
  status text NOT NULL DEFAULT 'pending',
  nonce bigint NOT NULL,
  tx_hash char(64) NOT NULL UNIQUE,
  signed_tx text NOT NULL,
  date_created timestamptz NOT NULL DEFAULT now(),
  date_sent timestamptz
);
CREATE INDEX IF NOT EXISTS otx_open ON otx (status, sender, nonce) WHERE status NOT IN ('final', 'failed');
CREATE INDEX IF NOT EXISTS otx_account ON otx (account);
CREATE INDEX IF NOT EXISTS otx_sender ON otx (sender);
-- The tracker's cursor: the last block that it has read.
CREATE TABLE IF NOT EXISTS syncer (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  block bigint NOT NULL
);
-- A sandbox of an earlier version: its reservations had no nonce yet, and an account could have one transaction of a purpose.
ALTER TABLE nonce_task_reservation ADD COLUMN IF NOT EXISTS nonce bigint;
DELETE FROM nonce_task_reservation WHERE nonce IS NULL;
ALTER TABLE otx DROP CONSTRAINT IF EXISTS otx_purpose_account_key, DROP CONSTRAINT IF EXISTS otx_purpose_check;
ALTER TABLE otx ADD COLUMN IF NOT EXISTS date_created timestamptz NOT NULL DEFAULT now();
UPDATE otx SET status = 'ready' WHERE status = 'signed';
-- The engine's loop waits for this notification, see ``wakeup.py``.
CREATE OR REPLACE FUNCTION tell_of_otx() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('otx_ready', '');
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER otx_ready AFTER INSERT OR UPDATE OF status ON otx
  FOR EACH ROW WHEN (NEW.status = 'ready') EXECUTE FUNCTION tell_of_otx();
