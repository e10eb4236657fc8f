"""The chain: its contracts, keys and blocks, and the ledger, which is the only way to send a transaction."""
