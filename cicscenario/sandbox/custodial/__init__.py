"""The custodial engine: tasks of Celery on Redis with the task names, results and side effects of cic-eth 0.12.

``supervisor`` starts the processes and restarts the worker. ``worker`` runs tasks from the queue: ``tasks``,
``transaction_tasks``, ``gas_tasks``, ``token_tasks`` and ``trust_tasks``. Its loop is ``taskworker``: ``intake`` fetches
messages from Redis, ``taskprocess`` runs them in processes of their own, ``remote`` answers Celery's remote control, and
``outbox`` and ``chords`` send what tasks send and their results. ``engine`` is the loop that sends transactions
(``dispatcher``) and follows the chain (``tracker``); ``wakeup`` lets it sleep in between. ``database`` has the
transactions, ``vault`` the keys, ``signing`` uses them, ``roles`` are the engine's own accounts; ``callbacks`` sends results
to clients, and ``faults`` has the fault switches.

Tasks are acknowledged early, nonces are reserved by a task of their own, and tasks split into further tasks as with cic-eth,
so that what is lost when a process is killed is what cic-eth would lose.
"""
