"""``python -m tests.kills.workers``: kills workers, the run and the broker at random moments, and counts.

Runs of people with keystore files and metadata go through two workers. Who is killed is started again at once. Exits with 1 when
a file or a person's document is missing, when a file was written twice or is of another key, or when a run hung or ended with
another exit code than 0 and 3.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from cicscenario.chain.keyfile import problem_of
from tests.support.worker_processes import start_worker
from tests.support.worker_runs import WorkerWorld

_LONGEST = 300.0  # seconds for which a run may take after the last kill
_HEAD = ("killed", "kills", "runs", "people", "lost", "doubled", "wrong", "hung", "by hand")


class WorkerKills:
    """Kills, in an order that is drawn from a seed."""

    def __init__(self, folder: Path, size: int, seed: int) -> None:
        self.world = WorkerWorld(folder)
        self.size = size
        self.random = random.Random(seed)
        self.found: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self._inodes: dict[Path, int] = {}
        self._workers = [start_worker(self.world.environment) for _ in range(2)]
        self._number = 0
        self._run = self._begin()

    def _begin(self) -> "subprocess.Popen[bytes]":
        name = f"run-{self._number}"
        self._before = self.world.written(name)
        return self.world.start(name, self.size)

    def kill(self, what: str) -> None:
        """One kill while a run is under way, and after it has written a file since the last one: else it would get nowhere."""
        until = time.monotonic() + self.random.uniform(0.2, 2)
        latest = time.monotonic() + _LONGEST
        while time.monotonic() < until or (not self._gets_on() and time.monotonic() < latest):
            if self._run.poll() is not None:
                self._ended(self._run.returncode)
            time.sleep(0.05)
        self.kills[what] += 1
        self._before = self.world.written(f"run-{self._number}")
        if what == "worker":
            number = self.random.randrange(len(self._workers))
            self._workers[number].kill()
            self._workers[number].wait()
            self._workers[number] = start_worker(self.world.environment)
        elif what == "broker":
            self.world.valkey.kill()
            self.world.valkey.start()
        else:
            self._run.kill()
            self._run.wait()
            self._look()
            self._run = self._begin()

    def _gets_on(self) -> bool:
        """Whether the run has written a file since the last kill."""
        return self.world.written(f"run-{self._number}") > self._before

    def finish(self) -> None:
        """Lets the last run come to its end."""
        until = time.monotonic() + _LONGEST
        before = self._number
        while self._number == before and time.monotonic() < until:
            if self._run.poll() is not None:
                self._ended(self._run.returncode, more=False)
            time.sleep(0.1)
        self.found["hung"] += self._number == before

    def close(self) -> None:
        for process in (*self._workers, self._run):
            process.kill()
            process.wait()
        self.world.close()

    def _ended(self, code: int, *, more: bool = True) -> None:
        """Judges a run that is done, and begins the next; one that is resumable is resumed."""
        self._look()
        self.found["by hand"] += code not in (0, 3)
        if code == 0:
            self.found["runs"] += 1
            self.found["people"] += self.size
            name = f"run-{self._number}"
            self.found["lost"] += 2 * self.size - self.world.written(name) - self.world.documents(name)
            self._number += 1
        if more or code != 0:
            self._run = self._begin()

    def _look(self) -> None:
        for path in (self.world.directory(f"run-{self._number}") / "keystore").glob("*.json"):
            inode = path.stat().st_ino
            self.found["doubled"] += self._inodes.setdefault(path, inode) != inode
            self.found["wrong"] += problem_of(path, bytes.fromhex(path.stem)) is not None


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.kills.workers", description=__doc__)
    options.add_argument("--workers", type=int, default=50, help="kills of workers")
    options.add_argument("--runs", type=int, default=20, help="kills of the run")
    options.add_argument("--brokers", type=int, default=10, help="kills of the broker")
    options.add_argument("--people", type=int, default=150, help="of each run")
    options.add_argument("--seconds", type=float, default=3600, help="no kill after this time")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    order = ["worker"] * given.workers + ["run"] * given.runs + ["broker"] * given.brokers
    until = time.monotonic() + given.seconds
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        campaign = WorkerKills(Path(folder), given.people, given.seed)
        campaign.random.shuffle(order)
        try:
            for what in order:
                if time.monotonic() >= until:
                    break
                campaign.kill(what)
            campaign.finish()
        finally:
            campaign.close()
    found = campaign.found
    killed = ", ".join(f"{what} {number}" for what, number in sorted(campaign.kills.items()))
    figures = [sum(campaign.kills.values()), *(found[name] for name in _HEAD[2:])]
    print(f"| {' | '.join(_HEAD)} |\n|:--|{'--:|' * len(figures)}\n| {killed} | {' | '.join(map(str, figures))} |")
    return int(any(found[name] for name in _HEAD[4:]))


if __name__ == "__main__":
    sys.exit(main())
