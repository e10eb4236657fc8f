"""``python -m tests.kills``: kills runs with SIGKILL at random moments and at named points, resumes them, and counts.

Each run gets several kills, and so most of them are kills of a resumed run. At its end the checker of ``tests.oracle`` judges
it. The last lines are a table. Exits with 1 when anybody was lost or paid twice, or anything hung or needed somebody's help.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.oracle import Verdict
from tests.support.killed_runs import BACKENDS, KilledRun, KillWorld, kill_world
from tests.support.states import damage_rows

_KILLS_A_RUN = 20
_REPAIR = "state repair"
_OTHERS = ("verify", "report", "export", _REPAIR)  # a state is damaged before it is repaired
_AND_OTHERS = 0.25  # part of the runs after which the other commands are killed, too
_IN_ORDER = 0.7  # part of the runs with named points that are killed at one after the other
_TAKEN = 0.7  # part of the points that those are killed at
_FIRST_SECONDS = 0.02


@dataclass
class Row:
    """The cases of one kind of fault with one backend. A case is one kill."""

    cases: int = 0
    survived: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    left: int = 0
    hung: int = 0
    by_hand: int = 0

    def add(self, cases: int, verdict: Verdict | None, run: KilledRun, *, hung: int) -> None:
        """Cases that one run had; they survived when the run came to its end by itself, and the verdict is clean."""
        self.cases += cases
        self.hung += hung
        self.by_hand += bool(run.by_hand)
        if verdict:
            self.lost += len(verdict.lost)
            self.doubled += len(verdict.doubled)
            self.wrong += len(verdict.wrong)
            self.left += len(verdict.left)
        if verdict and verdict.is_clean and not hung and not run.by_hand:
            self.survived += cases


class Campaign:
    """The kills of one backend."""

    def __init__(self, backend: str, cases: int, seed: str, say: "Printer") -> None:
        self._backend = backend
        self._cases = cases
        self._random = random.Random(f"{seed}/{backend}")
        self._say = say
        self.rows: dict[str, Row] = {}
        self.stopped = False
        self.reached = Counter[str]()
        self._points: dict[str, list[tuple[str, int]]] = {}
        self._seconds = dict.fromkeys(("run", *_OTHERS), 1.0)

    def carry_out(self, home: Path) -> None:
        with kill_world(self._backend, home) as world:
            self._learn(world)
            while not self.stopped and sum(row.cases for row in self.rows.values()) < self._cases:
                self._one_run(world)

    def _learn(self, world: KillWorld) -> None:
        """Which points the commands pass, and how long they take."""
        run = world.run(self._seed())
        for command in ("run", *_OTHERS):
            if command == _REPAIR:
                damage_rows(run.state)
            self._points[command] = world.points(run, command)
            self._seconds[command] = run.ends[-1].seconds
        run.finish()  # what a repair leaves to it
        assert run.verdict().is_clean, run.verdict().lines()

    def _seed(self) -> int:
        return self._random.randrange(2**31)

    def _one_run(self, world: KillWorld) -> None:
        run = world.run(self._seed())
        counted: dict[str, int] = {}
        named = self._random.random() < 0.5
        fault = f"killed at a {'named point' if named else 'random moment'}"
        counted[fault] = self._kill_again_and_again(run, "run", named, _KILLS_A_RUN)
        run.finish()
        for command in _OTHERS if self._random.random() < _AND_OTHERS and not run.by_hand else ():
            if command == _REPAIR:
                damage_rows(run.state)
            counted[f"{command} killed"] = self._kill_again_and_again(run, command, self._random.random() < 0.7, 1)
            run.finish(command)
            if command == _REPAIR:
                run.finish()
        hung = sum(end.hung for end in run.ends)
        verdict = None if hung or run.by_hand else run.verdict()
        first = True
        for fault, cases in counted.items():
            row = self.rows.setdefault(fault, Row())
            if first or cases:
                row.add(
                    cases, verdict if first or (verdict and verdict.is_clean) else None, run, hung=hung if first else 0
                )
            first = False
        self._tell(run, counted, verdict)
        if verdict and verdict.is_clean:
            world.forget(run)

    def _kill_again_and_again(self, run: KilledRun, command: str, named: bool, times: int) -> int:
        """Kills a command up to so many times; gives the number of kills. Ends when it was done before it was killed."""
        drawn = self._named(command) if named else self._moments(command)
        for killed in range(times):
            if run.by_hand or (how := next(drawn, None)) is None:
                return killed
            end = run.invoke(command, **how)
            if not end.killed:
                if not end.hung:
                    self._seconds[command] = 0.7 * self._seconds[command] + 0.3 * end.seconds
                return killed
            if named:
                self.reached[how["failpoint"].rpartition(":")[0].rpartition(":")[0]] += 1
        return times

    def _named(self, command: str) -> Iterator[dict[str, Any]]:
        """Points in the order in which a run passes them, some left out; or any of them, and any time that it is passed."""
        points = self._points[command]
        if self._random.random() < _IN_ORDER:
            for point, _ in points:
                if self._random.random() < _TAKEN:
                    yield {"failpoint": f"{point}:1:kill"}
        while True:
            point, most = self._random.choice(points)
            yield {"failpoint": f"{point}:{self._random.randint(1, most)}:kill"}

    def _moments(self, command: str) -> Iterator[dict[str, Any]]:
        """Seconds after which it is killed: up to what a whole run takes, or up to a quarter of it."""
        part = self._random.choice((1.0, 0.25))
        while True:
            yield {"after": self._random.uniform(_FIRST_SECONDS, part * self._seconds[command])}

    def _tell(self, run: KilledRun, counted: dict[str, int], verdict: Verdict | None) -> None:
        kills = ", ".join(f"{cases} x {fault}" for fault, cases in counted.items() if cases)
        ends = " ".join("killed" if end.killed else "hung" if end.hung else str(end.code) for end in run.ends)
        self._say(f"{self._backend}: {run.name}: {verdict or 'no verdict'} ({kills or 'no kill'}) [{ends}]")
        if verdict and not verdict.is_clean:
            self._say("\n".join(f"    {line}" for line in verdict.lines()[:20]))
            self._say(f"    {run.scenario} and {run.directory} are kept")
        if run.by_hand:
            self._say(f"    by hand: {run.by_hand}")
        for end in run.ends:
            if end.hung:
                self._say(f"    hung: {end.said[-1000:]}")


class Printer:
    """Prints whole lines from several threads, each with the seconds since the beginning."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        with self._mutex:
            print(f"{time.monotonic() - self._began:6.0f} {text}", flush=True)


def table(campaigns: dict[str, Campaign]) -> list[str]:
    """The rows of all backends as a Markdown table, with the sum."""
    lines = [
        "| backend | fault | cases | survived | lost | doubled | wrong | left | hung | by hand |",
        "|---|---|" + "---:|" * 8,
    ]
    total = [0] * 8
    for backend, campaign in campaigns.items():
        for fault, row in sorted(campaign.rows.items()):
            numbers = list(vars(row).values())
            total = [a + b for a, b in zip(total, numbers, strict=True)]
            lines.append(f"| {backend} | {fault} | " + " | ".join(map(str, numbers)) + " |")
    return [*lines, "| all | | " + " | ".join(map(str, total)) + " |"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="kills in all (default: 100)")
    parser.add_argument("--seed", default=None, help="what is drawn is drawn from it; printed (default: of the clock)")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="only these (default: all)")
    options = parser.parse_args()
    backends = options.backend or list(BACKENDS)
    seed = options.seed or str(time.time_ns() % 10**9)
    say = Printer()
    say(f"seed {seed}, {options.cases} cases, {', '.join(backends)}")
    campaigns = {one: Campaign(one, -(-options.cases // len(backends)), seed, say) for one in backends}
    with tempfile.TemporaryDirectory(prefix="cicscenario-kills-") as folder, ThreadPoolExecutor(len(backends)) as pool:
        ends = [pool.submit(campaign.carry_out, Path(folder) / one) for one, campaign in campaigns.items()]
        try:
            for end in ends:
                end.result()
        except KeyboardInterrupt:
            say("stopping; the runs under way are finished")
            for campaign in campaigns.values():
                campaign.stopped = True
    reached = Counter[str]()
    for campaign in campaigns.values():
        reached.update(campaign.reached)
    say(f"named points at which runs were killed: {', '.join(f'{p} {n}' for p, n in sorted(reached.items()))}")
    print("\n".join(table(campaigns)))
    rows = [row for campaign in campaigns.values() for row in campaign.rows.values()]
    return int(any(row.survived < row.cases or row.hung or row.by_hand for row in rows))


if __name__ == "__main__":
    sys.exit(main())
