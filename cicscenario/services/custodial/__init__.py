"""Client of the custodial engine (cic-eth): creates accounts, and asks about the keys it holds.

The engine is a Celery worker. It is spoken to by the names of its tasks alone; nothing of cic-eth is installed here.
``client.CustodialClient`` is where to begin; ``outcome`` is what comes back.
"""
