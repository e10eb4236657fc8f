"""A million people with keys of their own on the embedded node: memory, files, going on after a kill, and verification.

Run by its own command: ``python -m pytest -n 0 -m million -s tests/benchmarks``. It takes an hour or more, and 25 GB of disk.
``CICSCENARIO_BENCHMARK_MILLION`` is the number of people, to try it with fewer.
"""

import json
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cicscenario.sandbox.daemon import Daemon
from tests.benchmarks.figures import noted
from tests.benchmarks.memory import peak_memory
from tests.benchmarks.reads import read_everybody
from tests.support.commands import command_environment, command_line
from tests.support.cputime import of_daemon
from tests.support.sandboxes import Run, Sandbox

pytestmark = [pytest.mark.million, pytest.mark.timeout(12 * 3600)]

COMMAND = "python -m pytest -n 0 -m million -s tests/benchmarks"
PEOPLE = int(os.environ.get("CICSCENARIO_BENCHMARK_MILLION", "1000000"))
MEMORY = 300.0  #: MiB at most, of every command
GOES_ON = 10.0  #: seconds until a command that goes on has done something for a person
VERIFY = 2.0  #: times the seconds of a client that only asks
FOLDER = 50_000  #: entries of a folder at most
SCENARIO = f"""
version: 1
name: million
population: {{size: {PEOPLE}, seed: 5}}
gift: {{threshold: 200}}
backend: {{kind: eth, keystore: {{kdf: none}}}}
environment: sandbox
"""


@dataclass
class Command:
    """A command under way: its events as they come, the seconds since it began, and its peak memory in MiB."""

    process: "subprocess.Popen[str]"
    began: float = field(default_factory=time.monotonic)
    memory: float = 0.0
    at: dict[str, float] = field(default_factory=dict)  #: seconds until the first event of a kind or stage
    seconds: float = 0.0
    before: float = field(default_factory=lambda: processor())
    cpu: float = 0.0  #: seconds of a processor

    def __iter__(self) -> Iterator[dict[str, Any]]:
        threading.Thread(target=self._watch, daemon=True).start()
        assert self.process.stdout
        for line in self.process.stdout:
            event = json.loads(line)
            told = event["stage"] if event["event"] == "StageStarted" else event["event"]
            if told != "StepProgressed" or event["batch"]:
                self.at.setdefault(told, time.monotonic() - self.began)
            yield event
        self.process.stdout.close()
        self.process.wait()
        self.seconds = time.monotonic() - self.began
        self.cpu = processor() - self.before

    def _watch(self) -> None:
        while self.process.poll() is None:
            self.memory = max(self.memory, peak_memory(self.process.pid))
            time.sleep(0.05)

    def ended(self) -> "Command":
        """The command when it has ended, which has to be well."""
        for _ in self:
            pass
        assert self.process.returncode == 0
        return self


def processor() -> float:
    """Seconds of a processor that all commands have used which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command(run: Run, *arguments: str) -> Command:
    """Starts a command about the run, in a process of its own."""
    place = ("--dir", str(run.place), "--env", str(run.box.environment), "--json")
    line = command_line(arguments[0], str(run.scenario), *place, *arguments[1:])
    return Command(subprocess.Popen(line, env=command_environment(run.box.home), stdout=subprocess.PIPE, text=True))


def killed_half_way(run: Run) -> Command:
    """A run that is killed when the last step is done for half of the people."""
    this = command(run, "run")
    for event in this:
        if event["event"] == "StepProgressed" and event["step"] == "gas" and event["ok"] >= PEOPLE // 2:
            this.process.send_signal(signal.SIGKILL)
            break
    for _ in this:
        pass
    return this


@dataclass
class Disk:
    """What is below a folder."""

    files: int = 0
    apparent: int = 0  #: bytes
    taken: int = 0  #: bytes, of whole blocks
    widest: int = 0  #: entries of the fullest folder

    def add(self, folder: Path) -> None:
        entries = 0
        with os.scandir(folder) as found:
            for entry in found:
                entries += 1
                if entry.is_dir(follow_symlinks=False):
                    self.add(Path(entry.path))
                    continue
                stat = entry.stat(follow_symlinks=False)
                self.files += 1
                self.apparent += stat.st_size
                self.taken += stat.st_blocks * 512
        self.widest = max(self.widest, entries)

    def __str__(self) -> str:
        return (
            f"{self.files:,} files, {self.apparent / 1e6:,.0f} MB ({self.taken / 1e6:,.0f} MB of blocks),"
            f" at most {self.widest:,} entries in a folder"
        )


def disk(folder: Path) -> Disk:
    found = Disk()
    found.add(folder)
    return found


def show(what: str, one: Command) -> None:
    """Prints the figures of a command."""
    stages = ", ".join(f"{stage} at {at:.1f} s" for stage, at in one.at.items() if stage[0].islower())
    print(f"{what}: {one.seconds:.1f} s, {one.cpu:.1f} s of a processor, {one.memory:.0f} MiB; {stages}", flush=True)


def show_steps(run: Run) -> None:
    """Prints people a second by step, and the seconds of each check."""
    report = run.report()
    for step in report["steps"]:
        print(f"  {step['name']}: {step['ok']:,} people, of this session in {step['seconds']:.0f} s", flush=True)


def test_a_million_people(sandbox_of: Callable[..., Sandbox], tmp_path: Path) -> None:
    path = tmp_path / "million.yaml"
    path.write_text(SCENARIO)
    run = Run(sandbox_of("embedded"), path, tmp_path / "run")
    node = Daemon("node", run.box.home / "sandbox").pid()
    assert node
    print(f"\n{PEOPLE:,} people with keys of their own, embedded node", flush=True)
    half = killed_half_way(run)
    show("run, killed at half", half)
    rest = command(run, "run").ended()
    show("run, going on", rest)
    show_steps(run)
    cpu = half.cpu + rest.cpu, of_daemon(node)
    print(
        f"people/s: {PEOPLE / 2 / half.seconds:.0f} until it was killed, {PEOPLE / (half.seconds + rest.seconds):.0f} in all;"
        f" milliseconds of a processor a person: runner {cpu[0] / PEOPLE * 1000:.2f}, node {cpu[1] / PEOPLE * 1000:.2f};"
        f" goes on with people {rest.at['StepProgressed']:.1f} s after its start",
        flush=True,
    )
    nothing = command(run, "run").ended()
    show("run, nothing left", nothing)
    verify = command(run, "verify").ended()
    show("verify", verify)
    reading = read_everybody(run, PEOPLE)
    print(f"reading only: {reading}; verify takes {verify.seconds / reading.seconds:.2f} times as long", flush=True)
    of_node, chain = peak_memory(node), disk(run.box.home / "sandbox")
    print(f"node: {of_node:.0f} MiB; chain: {chain}")
    state = sum(one.stat().st_size for one in run.place.glob("state.sqlite*")) / 1e6
    there = disk(run.place)
    print(f"run directory: {there}; state {state:,.0f} MB", flush=True)
    errors = run.errors()
    assert errors
    assert set(errors.values()) == {(0, PEOPLE)}
    memory = max(one.memory for one in (half, rest, nothing, verify))
    noted(
        f"{PEOPLE:,} people with keys of their own, embedded node",
        COMMAND,
        {
            "half of them, until the run was killed": f"{half.seconds:,.0f} s, {PEOPLE / 2 / half.seconds:,.0f} people/s",
            "going on: until something was done for a person": f"{rest.at['StepProgressed']:.1f} s",
            "the other half, all checks, a file for each transaction": f"{rest.seconds:,.0f} s",
            "the same command, when nothing is left": f"{nothing.seconds:,.0f} s",
            "`verify`": f"{verify.seconds:,.0f} s: {verify.seconds / reading.seconds:.2f} times the reading",
            "reading the same by the best of some clients": str(reading),
            "memory of the runner; of the node": f"{memory:.0f} MiB; {of_node:,.0f} MiB",
            "state; chain": f"{state:,.0f} MB; {chain.apparent / 1e6:,.0f} MB",
            "files of the run": str(there),
        },
    )
    limits = {
        f"memory of a command: {memory:.0f} MiB, at most {MEMORY:.0f}": memory <= MEMORY,
        f"seconds until it goes on: {rest.at['StepProgressed']:.1f}, at most {GOES_ON}": rest.at["StepProgressed"]
        <= GOES_ON,
        f"verify: {verify.seconds:.1f} s, at most {VERIFY} times {reading}": verify.seconds <= VERIFY * reading.seconds,
        f"entries of a folder: {there.widest:,}, at most {FOLDER:,}": there.widest <= FOLDER,
    }
    assert not [what for what, held in limits.items() if not held]
