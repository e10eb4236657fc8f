"""The custodial engine: Celery workers on Redis with the task names, results and side effects of cic-eth 0.12.

``supervisor`` starts the processes and restarts workers. ``worker`` runs tasks (``tasks``, ``token_tasks``) from the queue.
``engine`` is the loop that signs and sends transactions (``dispatcher``) and follows the chain (``tracker``). ``database``
has the transactions, ``vault`` the keys, ``roles`` the engine's own accounts; ``callbacks`` sends results to clients, and
``faults`` has the fault switches. cic-eth splits a task into further tasks. Clients cannot see those, so this engine does
the work of a task in the task itself.
"""
