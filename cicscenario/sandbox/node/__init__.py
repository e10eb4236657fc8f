"""The embedded EVM node: Ethereum JSON-RPC over HTTP in front of pyrevm, for tests and sandboxes, never beyond loopback.

``transaction`` decodes, ``pool`` orders, ``evm`` executes, ``block`` and ``chain`` hold what was mined, ``journal`` keeps
it on disk; ``methods`` and its siblings answer JSON-RPC, ``server`` listens, ``__main__`` is the command line.
"""
