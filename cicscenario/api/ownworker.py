"""A worker that a run starts on its own machine, for itself. It ends when the run ends: its standard input ends then."""

import os
import signal
import sys
import threading
from pathlib import Path

from cicscenario.api.working import work_with
from cicscenario.jsontext import parse_json
from cicscenario.language import load_environment
from cicscenario.shell import take
from cicscenario.workers.place import WorkerPlace


def _end_with_the_run() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)  # whoever wanted its results is gone


def main() -> None:
    """The first line of standard input says where the broker and the environment file are: it has secrets, which no argument
    may have. ``variables`` are those of the user's shell, which the file may refer to.
    """
    settings = parse_json(sys.stdin.readline())
    os.environ.update(settings.pop("variables"))
    take()
    environment, threads, ca = (settings.pop(name) for name in ("environment", "threads", "ca"))
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is the run's, which ends its workers
    place = WorkerPlace(ca=Path(ca) if ca else None, **settings)
    work_with(load_environment(environment), place, threads, lambda line: None)


if __name__ == "__main__":
    main()
