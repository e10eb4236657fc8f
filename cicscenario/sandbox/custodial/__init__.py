"""The custodial engine: a Celery worker on Redis with the task names, results and side effects of cic-eth 0.12.

``supervisor`` keeps the processes alive: ``worker`` takes tasks (``tasks``, ``token_tasks``) from the queue, ``engine`` sends
what ``ledger`` holds (``dispatcher``) and follows the chain (``tracker``). ``vault`` holds the keys, ``roles`` the engine's own
accounts, ``callbacks`` speaks to whoever asked, ``faults`` breaks things on request. Clients cannot see how cic-eth splits a
task's work among further tasks, so those are not made here.
"""
