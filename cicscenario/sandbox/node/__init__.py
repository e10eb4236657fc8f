"""The embedded EVM node: Ethereum's JSON-RPC in front of revm."""
