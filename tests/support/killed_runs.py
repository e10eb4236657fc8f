"""Sandboxes in which runs are killed and resumed, each held by the independent checker at its end."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from eth_account import Account

from cicscenario.files import own_folder
from cicscenario.sandbox import stack
from tests.oracle import Baseline, Place, Verdict, baseline, judge, place_of
from tests.support.zygote import Command, End, Zygote

_HEAD = """version: 1
name: {name}
population: {{size: {size}, seed: {seed}, languages: {{en: 1, sw: 1}}}}
gift: {{threshold: 200}}
metadata: [person, phone, preferences, custom]
environment: sandbox
"""
#: What each backend has in its scenarios beside people, gifts and metadata.
BACKENDS = {
    "eth": "backend: {{kind: eth, keystore: {{kdf: light}}}}\n",
    "eth_traffic": "backend: {{kind: eth, keystore: {{kdf: none}}}}\ngas: 10000000000000000\n"
    "traffic: {{payments: 40, overdrafts: 10%}}\n",
    "cic_eth": "backend: {{kind: cic_eth, patience: {patience}}}\n",
    "cic_eth_traffic": "backend: {{kind: cic_eth, patience: {patience}}}\ntraffic: {{payments: 40, overdrafts: 10%}}\n",
    "cic_ussd": "backend: {{kind: cic_ussd, patience: {patience}}}\npins: {{scheme: bcrypt, cost: 4}}\nussd_data: true\n",
    "cic_ussd_traffic": "backend: {{kind: cic_ussd, patience: {patience}}}\npins: {{scheme: bcrypt, cost: 4}}\n"
    "ussd_data: true\ntraffic: {{payments: 40, overdrafts: 10%}}\n",
}
SERVICES = {
    "eth": ("node", "meta"),
    "eth_traffic": ("node", "meta"),
    "cic_eth": ("node", "custodial", "meta"),
    "cic_eth_traffic": ("node", "custodial", "meta"),
    "cic_ussd": ("node", "custodial", "meta", "ussd"),
    "cic_ussd_traffic": ("node", "custodial", "meta", "ussd"),
}
_RESUMABLE = (3, 130)  # exit codes after which the same command goes on
_RESUMES = 5  # times that the same command may be needed


@dataclass
class KilledRun:
    """One run in a world, killed any number of times. ``by_hand`` says why somebody would have to help, if they would."""

    world: "KillWorld"
    name: str
    scenario: Path
    since: Baseline
    environment: Path
    ends: list[End] = field(default_factory=list)
    by_hand: str = ""

    @property
    def directory(self) -> Path:
        return self.world.home / "runs" / self.name

    @property
    def exported(self) -> Path:
        return self.world.home / "exported" / self.name

    @property
    def state(self) -> Path:
        return self.directory / "state.sqlite"

    def invoke(
        self, command: str = "run", *more: str, failpoint: str = "", after: float = 0, passed: Path | None = None
    ) -> End:
        """One process. An exit code after which the same command does not go on is remembered in ``by_hand``."""
        arguments = [*command.split(), str(self.scenario), *more]
        if command == "export":
            shutil.rmtree(self.exported, ignore_errors=True)  # it only writes to a new folder
            arguments += [str(self.exported)]
        elif command != "report":
            arguments += ["--env", str(self.environment)]
        end = self.world.zygote.run(
            Command(
                tuple(arguments),
                str(self.world.home),
                str(self.world.home / "said"),
                failpoint,
                after,
                str(passed or ""),
                self.world.deadline,
            )
        )
        self.ends.append(end)
        if command == "export" and self.exported.exists() and not self._is_whole():
            self.by_hand = f"{self.exported} is not whole"
        if not (end.killed or end.hung) and end.code not in (0, *_RESUMABLE):
            self.by_hand = self.by_hand or f"{command} ended with {end.code}: {end.said[-2000:]}"
        return end

    def _is_whole(self) -> bool:
        """Whether the exported folder has everybody, and each transaction."""
        balances = self.exported / "balances.csv"
        people = len(balances.read_text().splitlines()) if balances.exists() else 0
        found = sum(1 for path in (self.exported / "tx").glob("*/*/*"))
        return people == self.world.size and found == sum(1 for path in (self.directory / "tx").glob("*/[!.]*"))

    def finish(self, command: str = "run", *more: str) -> End:
        """The same command until it is done, as often as its exit code says that it goes on."""
        for _ in range(_RESUMES):
            end = self.invoke(command, *more)
            if end.code == 0 or end.hung or self.by_hand:
                return end
        self.by_hand = f"{command} was not done after {_RESUMES} more commands: {end.said[-2000:]}"
        return end

    def verdict(self) -> Verdict:
        return judge(self.scenario, self.world.place, self.directory, self.since)


class KillWorld:
    """A sandbox of one backend's services, for many runs one after the other. ``deadline`` (seconds) tells what hangs."""

    def __init__(self, backend: str, home: Path, zygote: Zygote, *, size: int = 8, deadline: float = 240) -> None:
        self.backend = backend
        self.home = home
        self.zygote = zygote
        self.size = size
        self.deadline = deadline
        own_folder(home)  # as the command line makes it
        self.environment = stack.up(home, services=SERVICES[backend]).environment
        key = (home / "sandbox" / "signer.key").read_text().strip()
        self.place: Place = place_of(self.environment, Account.from_key(key).address)
        self._runs = 0

    def close(self) -> None:
        stack.down(self.home, purge=True)

    def run(self, seed: int, backend: str | None = None, *, patience: int = 60) -> KilledRun:
        """A run that has not begun, of people that this world has not seen; by another backend if one is named."""
        backend = backend or self.backend
        self._runs += 1
        name = f"{backend.replace('_', '-')}-{self._runs}"
        scenario = self.home / f"{name}.yaml"
        text = (_HEAD + BACKENDS[backend]).format(name=name, size=self.size, seed=seed, patience=patience)
        scenario.write_text(text)
        return KilledRun(self, name, scenario, baseline(self.place), self.environment)

    def points(self, run: KilledRun, command: str = "run", *more: str) -> list[tuple[str, int]]:
        """Carries out a command undisturbed; gives each point that it passes, in order, and how often it does."""
        passed = self.home / "passed"
        end = run.invoke(command, *more, passed=passed)
        assert end.code == 0, end.said
        return list(Counter(passed.read_text().split()).items())

    def forget(self, run: KilledRun) -> None:
        """Deletes what a run has left on the disk."""
        for folder in (run.directory, run.exported):
            shutil.rmtree(folder, ignore_errors=True)
        run.scenario.unlink()


@contextmanager
def kill_world(backend: str, home: Path, **options: float) -> Iterator[KillWorld]:
    """A world that ends with the block."""
    with Zygote() as zygote:
        world = KillWorld(backend, home, zygote, **options)  # type: ignore[arg-type]
        try:
            yield world
        finally:
            world.close()
