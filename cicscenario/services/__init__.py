"""Clients of the custodial engine, the phone interface, the metadata store and the account table."""
