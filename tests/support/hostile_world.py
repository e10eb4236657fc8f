"""A sandbox behind proxies that break what passes: a case is a fault of one service, and a command that is repeated."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import requests
from eth_account import Account

from cicscenario.sandbox import stack
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.nodes import NODES
from cicscenario.sandbox.ports import free_port
from tests.oracle import Baseline, Place, baseline, judge, place_of
from tests.support import hostile_wire as faults
from tests.support.hostile_wire import LASTING, Fault, Hold, HostileWire
from tests.support.phone_world import EVERYTHING
from tests.support.postgres import USER, Postgres
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.zygote import Command, End, Zygote

#: The services that a run asks, by backend.
ASKED_BY = {
    "eth": ("node", "meta"),
    "cic_eth": ("node", "redis", "meta"),
    "cic_ussd": ("node", "redis", "postgres", "ussd", "meta"),
}
FAULTS: dict[str, Fault] = {
    "refuses": faults.refuses,
    "hangs": faults.swallows,
    "resets in mid-reply": faults.resets_in_reply,
    "drips": faults.trickles,
    "garbage": faults.garbage,
    "other server's words": faults.other_words,
    "reply twice": faults.replies_twice,
    "request twice": faults.asks_twice,
    "answer dropped": faults.drops_answer,
    "restarted empty": faults.emptied,
    "paused": faults.pauses,
}
_SPARE = "which is the account of nobody"
_RUNS = 20  #: times that the command is repeated, at most
_PATIENCE = 240.0  #: seconds for one run; what takes longer hangs

_HEAD = "version: 1\nname: {name}\npopulation: {{size: {size}, seed: {seed}, languages: {{en: 2, sw: 1, kam: 1}}}}\n"
SCENARIOS = {
    "eth": _HEAD + "gift: {{threshold: 200}}\nbackend: {{kind: eth, keystore: {{kdf: none}}}}\nmetadata: [person]\n",
    "cic_eth": _HEAD + "gift: {{threshold: 200}}\nbackend: {{kind: cic_eth, patience: 30}}\nmetadata: [person]\n",
    "cic_ussd": _HEAD
    + "gift: {{threshold: 200}}\nbackend: {{kind: cic_ussd, patience: 40}}\nmetadata: [person, phone, preferences, custom]\n"
    "pins: {{scheme: bcrypt, cost: 4}}\nussd_data: true\n",
}


@dataclass(frozen=True)
class Case:
    """A fault of one service during a run through one backend; all else is drawn from ``seed``.

    ``whole`` faults hold until the first command has ended, others for a moment.
    """

    backend: str
    service: str
    fault: str
    seed: int
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.backend} {self.service} {self.fault}{' throughout' if self.whole else ''} (seed {self.seed})"


@dataclass
class CaseEnd:
    """What came of a case. ``wrong`` are sentences about what the command did or said that it must not."""

    case: Case
    codes: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    spare: list[str] = field(default_factory=list)  #: accounts of the engine that belong to nobody
    hung: bool = False
    by_hand: bool = False
    struck: int = 0  #: exchanges that the fault took hold of
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    last_words: str = ""

    @property
    def survived(self) -> bool:
        return not (self.lost or self.doubled or self.hung or self.by_hand or self.wrong)


class HostileWorld:
    """A whole sandbox in ``home``, of which the runner reaches every service through a proxy."""

    def __init__(self, home: Path, *, everything: bool = True) -> None:
        self.home = home
        services = EVERYTHING if everything else ("node", "meta")
        self.sandbox = stack.up(home, services=services).environment
        self.asked = {name: all(one in self.ports for one in asked) for name, asked in ASKED_BY.items()}
        self._held = ExitStack()
        self._zygote = self._held.enter_context(Zygote())
        self.wires = {
            name: self._held.enter_context(HostileWire(port, self._empty(name)))
            for name, port in self.ports.items()
            if name != "custodial"
        }
        self.environment = self.sandbox.parent / "hostile.yaml"
        self.environment.write_text(self._behind_proxies(self.sandbox.read_text()))
        key = (self.sandbox.parent / "signer.key").read_text().strip()
        self.place: Place = place_of(self.sandbox, Account.from_key(key).address)
        self._lengths: dict[str, dict[str, int]] = {}
        self._number = 0

    def close(self) -> None:
        self._held.close()
        stack.down(self.home, purge=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def ports(self) -> dict[str, int]:
        record: dict[str, Any] = json.loads((self.home / "sandbox" / "stack.json").read_text())
        return {name: int(port) for name, port in record["ports"].items()}

    def _behind_proxies(self, text: str) -> str:
        """The sandbox's environment, in which each address but the engine's own way to Redis is that of a proxy."""
        for name, wire in self.wires.items():
            text = re.sub(rf"((?:127\.0\.0\.1:|port: )){self.ports[name]}\b", rf"\g<1>{wire.port}", text)
        if "redis" in self.ports:
            text = text.replace("  queue:", f"  callback: 127.0.0.1:{self.ports['redis']}:0\n  queue:")
        text = text.replace("chain:\n", "chain:\n  timeout: 3\n")
        return text.replace("ussd:\n", "ussd:\n  timeout: 5\n")

    # --- empty services -----------------------------------------------------------------------------------------

    def _empty(self, service: str) -> int | None:
        """The port of a service of this kind in which there is nothing; None for one that keeps nothing by itself."""
        folder = self.home / f"empty-{service}"
        folder.mkdir()
        if service == "node":
            return self._program(NODES["embedded"](folder, port := free_port(), []).command, port)
        if service == "redis":
            valkey = self._held.enter_context(Valkey(folder))
            return valkey.port
        if service == "postgres":
            server = self._held.enter_context(Postgres())
            password = (self.home / "sandbox" / "postgres.password").read_text().strip()
            server.execute(f"ALTER USER {USER} PASSWORD '{password}'")
            return server.port
        if service == "meta":
            for name in ("writer.asc", "writer.passphrase", "writer.pub.asc"):
                shutil.copy(self.home / "sandbox" / "meta" / name, folder)
            command = [sys.executable, "-m", "cicscenario.sandbox.meta", "--host", "127.0.0.1"]
            return self._program([*command, "--port", str(port := free_port()), "--data", str(folder)], port)
        return None

    def _program(self, command: list[str], port: int) -> int:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end() -> None:
            process.terminate()
            process.wait(30)

        self._held.callback(end)
        eventually(lambda: _answers(port), f"waited for {command}")
        return port

    # --- cases --------------------------------------------------------------------------------------------------

    def lengths(self, backend: str) -> dict[str, int]:
        """How many exchanges a run without faults has with each service."""
        if backend not in self._lengths:
            scenario, place = self._new(backend, random.Random(0), 10)
            for wire in self.wires.values():
                wire.mend()
            done = self.run(scenario, place)
            assert done.code == 0, done.said
            self._lengths[backend] = {name: wire.exchanges for name, wire in self.wires.items()}
        return self._lengths[backend]

    def run(self, scenario: Path, place: Path, command: Sequence[str] = ("run",)) -> End:
        arguments = (*command, str(scenario), "--dir", str(place), "--env", str(self.environment))
        return self._zygote.run(Command(arguments, str(self.home), str(self.home / "said"), deadline=_PATIENCE))

    def carry_out(self, case: Case, *, pause: float = 6.0) -> CaseEnd:
        """One case, to its end. ``pause`` is how long a service is paused, or away for a moment, at most; in seconds."""
        draw = random.Random(f"{case}")
        length = self.lengths(case.backend)[case.service]
        scenario, place = self._new(case.backend, draw, draw.randint(8, 12))
        since, end, began = baseline(self.place), CaseEnd(case), time.monotonic()
        wire, fault = self.wires[case.service], FAULTS[case.fault]
        begin = draw.randrange(max(1, length))
        if case.whole:
            hold = Hold(begin)
        elif fault in LASTING or fault in (faults.swallows, faults.trickles):
            hold = Hold(begin, seconds=pause if fault is faults.pauses else draw.uniform(1, pause))
        else:
            hold = Hold(begin, exchanges=draw.choice([1, 1, 2, 5]))
        restart = fault is faults.emptied and wire.empty is None
        wire.arm(faults.passes if restart else fault, Hold(begin, exchanges=1) if restart else hold)
        try:
            self._repeat(case, end, scenario, place, restart=restart)
        finally:
            wire.mend()
        end.seconds = time.monotonic() - began
        if end.codes and end.codes[-1] == 0:
            self._judge(end, scenario, place, since)
        return end

    def _repeat(self, case: Case, end: CaseEnd, scenario: Path, place: Path, *, restart: bool) -> None:
        wire, emptied = self.wires[case.service], case.fault == "restarted empty"
        command: Sequence[str] = ("run",)
        for number in range(_RUNS):
            with self._restarted(case.service) if restart and not number else nullcontext():
                done = self.run(scenario, place, command)
            end.last_words = done.said
            if done.hung:
                end.hung = True
                return
            held = bool(wire.struck)
            end.struck += wire.struck if not number else 0
            if case.whole and not number:
                wire.mend()
            wire.wait_out(_PATIENCE)  # the next command would only find the same
            end.codes.append(done.code)
            self._judge_words(case, end, done, held=held)
            if done.code not in (0, 1, 3):
                end.by_hand = True
                return
            if done.code == 0 and (number or not emptied):
                return
            command = ("run",)
            if emptied:  # it may have its own data back after the last look at it; what it lost is named, and repaired
                command = {0: ("verify",), 1: ("repair", "--yes")}.get(done.code, command)
        end.by_hand = True

    @contextmanager
    def _restarted(self, service: str) -> Iterator[None]:
        """Kills the service when the fault's moment has come, and starts it again; all while the block lasts."""
        over = threading.Event()

        def work() -> None:
            while not self.wires[service].struck:
                if over.wait(0.02):
                    return
            daemon = Daemon(service, self.home / "sandbox")
            if pid := daemon.pid():
                os.kill(pid, signal.SIGKILL)
                eventually(lambda: daemon.pid() is None)
            stack.up(self.home, services=EVERYTHING)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _judge_words(self, case: Case, end: CaseEnd, done: End, *, held: bool) -> None:
        if "Traceback" in done.said or done.code == 70:
            end.wrong.append(f"exit {done.code} with a traceback")
        if done.code == 1 and held and case.fault not in ("restarted empty",):
            end.wrong.append("exit 1: what could not be asked was taken for missing")
        answers = case.fault == "restarted empty"
        if done.code == 3 and case.whole and held and len(end.codes) == 1 and not answers:
            port = self.wires[case.service].port
            if f":{port}" not in done.said and f"port {port}" not in done.said:
                said = next((line for line in done.said.splitlines() if line.startswith("error")), "nothing")
                end.wrong.append(f"exit 3 does not name the address of {case.service}: {said}")

    def _new(self, backend: str, draw: random.Random, size: int) -> tuple[Path, Path]:
        self._number += 1
        name = f"case-{self._number}"
        path = self.home / f"{name}.yaml"
        text = SCENARIOS[backend].format(name=name, size=size, seed=draw.randrange(2**31))
        path.write_text(text)
        return path, self.home / "runs" / name

    def _judge(self, end: CaseEnd, scenario: Path, place: Path, since: Baseline) -> None:
        """Holds what the services have against who should have arrived."""
        verdict = judge(scenario, self.place, place, since)
        end.lost += verdict.lost
        end.spare = [line for line in verdict.doubled if line.endswith(_SPARE)]
        end.doubled += [line for line in verdict.doubled if not line.endswith(_SPARE)]
        end.wrong += verdict.wrong


def _answers(port: int) -> bool:
    try:
        requests.post(f"http://127.0.0.1:{port}", data=b"{}", timeout=2)
    except requests.RequestException:
        return False
    return True


def cases(seed: int, number: int | None = None, service: str | None = None) -> list[Case]:
    """Every service of every backend with every fault, for a moment; in the second round throughout a run; and so on."""
    draw = random.Random(seed)
    grid = [
        (backend, one, fault) for backend, asked in ASKED_BY.items() for one in asked for fault in FAULTS
        if service in (None, one)
    ]  # fmt: skip
    found: list[Case] = []
    while len(found) < (number or 2 * len(grid)):
        whole = len(found) // len(grid) % 2 == 1
        found += [Case(backend, one, fault, draw.randrange(2**31), whole) for backend, one, fault in grid]
    return found[: number or 2 * len(grid)]


def table(ends: list[CaseEnd]) -> Iterator[str]:
    """The lines of the table: a fault each, and all of them."""
    columns = ("cases", "survived", "lost", "doubled", "hung", "by hand", "wrong", "spare accounts")
    yield f"| {'fault':<22} | " + " | ".join(columns) + " |"
    yield f"|{'-' * 24}|" + "|".join("-" * (len(column) + 2) for column in columns) + "|"
    counted: list[tuple[str, Callable[[CaseEnd], int]]] = [
        ("cases", lambda end: 1),
        ("survived", lambda end: end.survived),
        ("lost", lambda end: bool(end.lost)),
        ("doubled", lambda end: bool(end.doubled)),
        ("hung", lambda end: end.hung),
        ("by hand", lambda end: end.by_hand),
        ("wrong", lambda end: bool(end.wrong)),
        ("spare accounts", lambda end: len(end.spare)),
    ]
    for name in (*dict.fromkeys(end.case.fault for end in ends), "all"):
        these = [end for end in ends if name in ("all", end.case.fault)]
        numbers = (f"{sum(count(end) for end in these):>{len(column)}}" for column, count in counted)
        yield f"| {name:<22} | " + " | ".join(numbers) + " |"
