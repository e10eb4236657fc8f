"""``cicscenario worker``: does slow work of runs of one broker."""

from dataclasses import replace
from os import cpu_count
from pathlib import Path

from cicscenario.api.working import work_with
from cicscenario.errors import ExitCode, InvalidError
from cicscenario.language import load_environment
from cicscenario.printable import say
from cicscenario.workers.place import place_of


def worker(env: Path, broker: str | None, threads: int | None) -> ExitCode:
    """Takes tasks until ^C or SIGTERM; what is under way is finished first."""
    found = load_environment(env)
    if found.workers is None:
        raise InvalidError(
            f"{env} has no `workers` section, which says where tasks are",
            hint="`cicscenario explain environment.workers` shows what to add",
        )
    where = replace(found.workers, broker=broker or found.workers.broker)
    place = place_of(where, found.ca)
    work_with(found, place, threads or cpu_count() or 1, lambda line: say(line, flush=True))
    return ExitCode.OK
