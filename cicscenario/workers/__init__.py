"""Does slow work of runs on any number of machines: tasks go to workers over Celery, and their results come back.

``pool.WorkerPool`` is the side of a run, ``worker`` that of a worker, ``kinds`` has the work itself, and ``envelope`` what both
encrypt with. The run alone writes its state and its files: a result is a function of its task and nothing else.
"""
