"""A sandbox behind proxies that break what passes: a case is a fault of one service, and a command that is repeated."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import requests
from eth_hash.auto import keccak

from cicscenario.sandbox import stack
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.nodes import NODES
from cicscenario.state.store import STATE
from tests.support import hostile_wire as faults
from tests.support.forking import Forking
from tests.support.hostile_wire import LASTING, Fault, Hold, HostileWire
from tests.support.meta_wire import ask
from tests.support.phone_world import EVERYTHING
from tests.support.postgres import USER, Postgres
from tests.support.processes import free_port
from tests.support.valkey import Valkey
from tests.support.waiting import eventually

#: The services that a run asks, by backend.
ASKED = {
    "eth": ("node", "meta"),
    "cic_eth": ("node", "redis", "meta"),
    "cic_ussd": ("node", "redis", "postgres", "ussd", "meta"),
}
FAULTS: dict[str, Fault] = {
    "refuses": faults.refuses,
    "hangs": faults.hangs,
    "resets in mid-reply": faults.resets,
    "drips": faults.drips,
    "garbage": faults.garbage,
    "other server's words": faults.other_words,
    "reply twice": faults.replies_twice,
    "request twice": faults.asks_twice,
    "answer dropped": faults.drops_answer,
    "restarted empty": faults.emptied,
    "paused": faults.pauses,
}
_RUNS = 6  #: times that the command is repeated, at most
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
    spare: int = 0  #: accounts of the engine that belong to nobody
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
        self.asked = {name: all(one in self.ports for one in asked) for name, asked in ASKED.items()}
        self._held = ExitStack()
        self.forking = self._held.enter_context(Forking(home / "said" if (home / "said").mkdir() is None else None))
        self.wires = {
            name: self._held.enter_context(HostileWire(port, self._empty(name)))
            for name, port in self.ports.items()
            if name != "custodial"
        }
        self.environment = self.sandbox.parent / "hostile.yaml"
        self.environment.write_text(self._behind_proxies(self.sandbox.read_text()))
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
            scenario, place, _ = self._new(backend, random.Random(0), 10)
            for wire in self.wires.values():
                wire.mend()
            done = self.run(scenario, place)
            assert done.returncode == 0, done.stdout + done.stderr
            self._lengths[backend] = {name: wire.exchanges for name, wire in self.wires.items()}
        return self._lengths[backend]

    def run(self, scenario: Path, place: Path) -> "subprocess.CompletedProcess[str]":
        arguments = ("run", str(scenario), "--dir", str(place), "--env", str(self.environment))
        return self.forking.run(self.home, *arguments, patience=_PATIENCE)

    def carry_out(self, case: Case, *, pause: float = 6.0) -> CaseEnd:
        """One case, to its end. ``pause`` is how long a service is paused, or away for a moment, at most; in seconds."""
        draw = random.Random(f"{case}")
        length = self.lengths(case.backend)[case.service]
        scenario, place, size = self._new(case.backend, draw, draw.randint(8, 12))
        since, end, began = self.block(), CaseEnd(case), time.monotonic()
        wire, fault = self.wires[case.service], FAULTS[case.fault]
        begin = draw.randrange(max(1, length))
        if case.whole:
            hold = Hold(begin)
        elif fault in LASTING or fault in (faults.hangs, faults.drips):
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
            self._judge(case, end, place, size, since)
        return end

    def _repeat(self, case: Case, end: CaseEnd, scenario: Path, place: Path, *, restart: bool) -> None:
        wire = self.wires[case.service]
        for number in range(_RUNS):
            if restart and not number:
                self._restart_during(case.service, wire)
            try:
                done = self.run(scenario, place)
            except subprocess.TimeoutExpired as error:
                end.hung, end.last_words = True, f"{error.output}{error.stderr}"
                return
            held = bool(wire.struck)
            end.struck += wire.struck if not number else 0
            if case.whole and not number:
                wire.mend()
            end.codes.append(done.returncode)
            end.last_words = done.stdout + done.stderr
            self._judge_words(case, end, done, held=held)
            if done.returncode == 0:
                return
            if done.returncode not in (1, 3):
                end.by_hand = True
                return
        end.by_hand = True

    def _restart_during(self, service: str, wire: HostileWire) -> None:
        """Kills the service when the fault's moment has come, and starts it again."""
        import threading

        def work() -> None:
            eventually(lambda: wire.struck, "waited for the moment", 100)
            daemon = Daemon(service, self.home / "sandbox")
            if pid := daemon.pid():
                os.kill(pid, signal.SIGKILL)
                eventually(lambda: daemon.pid() is None)
            stack.up(self.home, services=EVERYTHING)

        threading.Thread(target=work, daemon=True).start()

    def _judge_words(self, case: Case, end: CaseEnd, done: "subprocess.CompletedProcess[str]", *, held: bool) -> None:
        said = done.stdout + done.stderr
        if "Traceback" in said or done.returncode == 70:
            end.wrong.append(f"exit {done.returncode} with a traceback")
        if done.returncode == 1 and held and case.fault not in ("restarted empty",):
            end.wrong.append("exit 1: what could not be asked was taken for missing")
        if done.returncode == 3 and case.whole and held and len(end.codes) == 1:
            port = self.wires[case.service].port
            if f":{port}" not in done.stderr and f"port {port}" not in done.stderr:
                end.wrong.append(f"exit 3 does not name the address of {case.service}")

    def _new(self, backend: str, draw: random.Random, size: int) -> tuple[Path, Path, int]:
        self._number += 1
        name = f"case-{self._number}"
        path = self.home / f"{name}.yaml"
        text = SCENARIOS[backend].format(name=name, size=size, seed=draw.randrange(2**31))
        path.write_text(text)
        return path, self.home / "runs" / name, size

    # --- what the services say, without the product ---------------------------------------------------------------

    @property
    def rpc_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['node']}"

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = requests.post(self.rpc_url, json=body, timeout=60).json()
        assert "result" in answer, answer
        return answer["result"]

    def block(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)

    @cached_property
    def _session(self) -> Any:
        from tests.support.sandboxes import Sandbox

        return Sandbox(self.home, self.sandbox).session()

    def _logs(self, contract: bytes, event: str, since: int, *topics: str) -> list[dict[str, Any]]:
        asked = {
            "fromBlock": hex(since + 1),
            "toBlock": "latest",
            "address": "0x" + contract.hex(),
            "topics": ["0x" + keccak(event.encode()).hex(), *topics],
        }
        found: list[dict[str, Any]] = self.rpc("eth_getLogs", asked)
        return found

    def _judge(self, case: Case, end: CaseEnd, place: Path, size: int, since: int) -> None:
        """Holds what the services have against who should have arrived."""
        with sqlite3.connect(place / STATE) as db:
            rows = db.execute("SELECT id, phone, address, gift FROM people ORDER BY id").fetchall()
        db.close()
        if len(rows) != size:
            end.lost.append(f"{len(rows)} of {size} people were made")
        contracts = self._session.contracts
        unit = 10**contracts.token.decimals
        signer = "0x" + "00" * 12 + self._session.signer.address.hex()
        gifts: Counter[str] = Counter()
        for log in self._logs(contracts.token.address, "Transfer(address,address,uint256)", since, signer):
            gifts["0x" + log["topics"][2][-40:]] += 1
            amount = {f"0x{address.hex()}": gift * unit for _, _, address, gift in rows if address}
            to = "0x" + log["topics"][2][-40:]
            if int(log["data"], 16) != amount.get(to):
                end.wrong.append(f"{to} was given {int(log['data'], 16)}, and not {amount.get(to)}")
        added = Counter(
            "0x" + log["topics"][1][-40:]
            for log in self._logs(contracts.accounts_index, "AddressAdded(address,uint256)", since)
        )
        addresses = [f"0x{address.hex()}" for _, _, address, _ in rows if address]
        if len(set(addresses)) != size:
            end.lost.append(f"{size - len(set(addresses))} people have no account of their own")
        for who, phone, address, gift in rows:
            mine = f"0x{(address or b'').hex()}"
            wanted = 1 if gift else 0
            if added[mine] != 1:
                (end.doubled if added[mine] > 1 else end.lost).append(f"person {who} is registered {added[mine]} times")
            if gifts[mine] != wanted:
                (end.doubled if gifts[mine] > wanted else end.lost).append(f"person {who} has {gifts[mine]} gifts")
            for kind in self._kinds(case.backend):
                subject = phone.encode() if kind == "phone" else address or b""
                pointer = hashlib.sha256(subject + f":cic.{kind}".encode()).hexdigest()
                answer = ask(self.ports["meta"], "GET", f"/{pointer}")
                if answer is None or answer.status != 200:
                    end.lost.append(f"person {who} has no {kind} entry")
        strangers = sum(gifts.values()) - sum(gifts[address] for address in addresses)
        if strangers:
            end.doubled.append(f"{strangers} gifts went to strangers")
        end.spare = sum(added.values()) - sum(added[address] for address in addresses)
        if case.backend == "cic_ussd":
            self._judge_table(end, rows)

    def _judge_table(self, end: CaseEnd, rows: list[tuple[Any, ...]]) -> None:
        import psycopg2

        password = (self.home / "sandbox" / "postgres.password").read_text().strip()
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.ports["postgres"], dbname="cic_ussd", user=USER, password=password
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT phone_number, blockchain_address, password_hash, status FROM account")
                held: dict[str, list[tuple[Any, ...]]] = {}
                for phone, *rest in cursor.fetchall():
                    held.setdefault(phone, []).append(tuple(rest))
        finally:
            connection.close()
        for who, phone, address, _ in rows:
            found = held.get(phone, [])
            if len(found) > 1:
                end.doubled.append(f"person {who} has {len(found)} rows in the account table")
            if not found or found[0][0] != (address or b"").hex() or not found[0][1] or found[0][2] != 2:
                end.lost.append(f"person {who} has the row {[(a, bool(h), s) for a, h, s in found]}")

    def _kinds(self, backend: str) -> tuple[str, ...]:
        return ("person", "phone", "preferences", "custom") if backend == "cic_ussd" else ("person",)


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
        (backend, one, fault) for backend, asked in ASKED.items() for one in asked for fault in FAULTS
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
        ("spare accounts", lambda end: end.spare),
    ]
    for name in (*dict.fromkeys(end.case.fault for end in ends), "all"):
        these = [end for end in ends if name in ("all", end.case.fault)]
        numbers = (f"{sum(count(end) for end in these):>{len(column)}}" for column, count in counted)
        yield f"| {name:<22} | " + " | ".join(numbers) + " |"
