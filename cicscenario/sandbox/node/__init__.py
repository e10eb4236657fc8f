"""The embedded EVM node: an Ethereum JSON-RPC server over pyrevm, for tests and sandboxes, on the loopback interface only.

``transaction`` decodes transactions, ``pool`` orders them, ``evm`` executes them; ``block`` and ``chain`` hold mined
blocks, and ``journal`` writes them to disk. ``rpc`` decodes JSON-RPC requests; ``methods`` lists the methods, which are in
``reading``, ``calling``, ``filters`` and ``control``. ``server`` is the HTTP server, ``program`` the command line. ``ahead`` has
the transactions of large requests decoded by a second process, ``decoder``.
"""
