"""A worker that a run starts on its own machine, for itself. It ends when the run ends: its standard input ends then."""

import os
import signal
import sys
import threading
from pathlib import Path

from cicscenario.jsontext import parse_json
from cicscenario.workers.place import WorkerPlace
from cicscenario.workers.worker import work


def _end_with_the_run() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)  # whoever wanted its results is gone


def main() -> None:
    """The first line of standard input says where the broker is: it has secrets, which no argument may have."""
    settings = parse_json(sys.stdin.readline())
    threads = settings.pop("threads")
    ca = settings.pop("ca")
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is the run's, which ends its workers
    work(WorkerPlace(ca=Path(ca) if ca else None, **settings), threads, lambda line: None)


if __name__ == "__main__":
    main()
