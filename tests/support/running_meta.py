"""A metadata server in a process of its own, and clients of both ways to write."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from pysequoia import PySigner, SignatureMode, Tsk, sign

from cicscenario.sandbox.meta.keys import WriterKeys
from cicscenario.sandbox.pace import FAST
from cicscenario.sandbox.ports import free_port
from tests.support.meta_wire import WireAnswer, ask
from tests.support.openpgp_keys import RECORDED_KEYS

ROOT_FOLDER = Path(__file__).parents[2]  # the package is imported from where these tests are
ROOT = "00000000-0000-0000-0000-000000000000"
SERVER = {"X-CIC-AUTOMERGE": "server"}
CLIENT = {"X-CIC-AUTOMERGE": "client"}
IMMUTABLE = {"X-CIC-AUTOMERGE": "immutable"}


class RunningMeta:
    """``start`` it, talk to it, ``stop`` it; ``keys`` are copied, as making a pair takes seconds."""

    def __init__(self, folder: Path, keys: WriterKeys, *faults: str) -> None:
        self.folder = folder
        self.faults = faults
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.with_name(f"{folder.name}.log")
        trusted = folder / "trusted"
        trusted.mkdir(parents=True, exist_ok=True)
        for path in (keys.private_key, keys.passphrase, keys.public_key):
            shutil.copy(path, folder)
        for name in ("server", "writer"):
            shutil.copy(RECORDED_KEYS / f"{name}.pub.asc", trusted)
        self.writer = signer_of(keys)

    def start(self) -> "RunningMeta":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT_FOLDER)}
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if (answer := self.ask("OPTIONS", "/")) and answer.status == 200:
                    return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"the metadata server did not start: {self.log.read_text()}")

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "cicscenario.sandbox.meta", "--port", str(self.port)]
        command += ["--data", str(self.folder)]
        return command + [part for fault in self.faults for part in ("--fault", fault)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it with a signal; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | str = b""
    ) -> WireAnswer | None:
        return ask(self.port, method, path, headers, body.encode() if isinstance(body, str) else body)

    def answered(self, *request: Any) -> WireAnswer:
        answer = self.ask(*request)
        assert answer is not None, "the connection was dropped"
        return answer

    def get(self, pointer: str) -> Any:
        """The value at ``pointer``; None when there is none."""
        answer = self.answered("GET", f"/{pointer}")
        return None if answer.status == 404 else json.loads(answer.body)

    def write_two_step(self, pointer: str, value: Any, signer: PySigner | None = None) -> WireAnswer:
        built = self.answered("POST", f"/{pointer}", SERVER, json.dumps(value))
        assert built.status == 200
        digest = json.loads(built.body)["digest"]
        request = {"m": built.body.decode(), "s": signature(signer or self.writer, digest)}
        return self.answered("PUT", f"/{pointer}", SERVER, json.dumps(request))

    def write_one_step(self, pointer: str, value: Any, actor: str = "", signer: PySigner | None = None) -> WireAnswer:
        return self.answered("PUT", f"/{pointer}", CLIENT, one_step(signer or self.writer, pointer, value, actor))


class ClockedMeta(RunningMeta):
    """The same with a clock of its own; at its start it has the ``pace`` that was set before."""

    pace = FAST

    def _command(self) -> list[str]:
        return [
            sys.executable,
            str(Path(__file__).with_name("clocked_meta.py")),
            str(self.folder),
            str(self.port),
            self.pace,
            *self.faults,
        ]

    def set_clock(self, seconds: int) -> None:
        """Seconds since 1970, for whatever is asked from now on."""
        (self.folder / "clock").write_text(str(seconds))


def signer_of(keys: WriterKeys) -> PySigner:
    return Tsk.from_file(str(keys.private_key)).signer(keys.passphrase.read_text())


def signature(signer: PySigner, digest: str, text: str | None = None) -> dict[str, str]:
    """A signature object for ``digest``, over ``text`` if that is another one."""
    signed = sign(signer, (digest if text is None else text).encode(), mode=SignatureMode.DETACHED)
    return {"engine": "pgp", "algo": "sha256", "data": signed.decode(), "digest": digest}


def flat_ops(pointer: str, value: Any) -> list[dict[str, Any]]:
    """What sets a value without lists or maps within."""
    ops: list[dict[str, Any]] = [
        {"action": "set", "obj": ROOT, "key": "id", "value": pointer},
        {"action": "set", "obj": ROOT, "key": "timestamp", "value": 1700000000},
    ]
    if not isinstance(value, dict):
        return [*ops, {"action": "set", "obj": ROOT, "key": "data", "value": value}]
    made = str(uuid.uuid4())
    ops.append({"action": "makeMap", "obj": made})
    ops += [{"action": "set", "obj": made, "key": key, "value": member} for key, member in value.items()]
    return [*ops, {"action": "link", "obj": ROOT, "key": "data", "value": made}]


def tagged(value: Any) -> Any:
    """Transit without any cache code, as a simple client writes it."""
    if isinstance(value, dict):
        return ["~#iM", [tagged(part) for pair in value.items() for part in pair]]
    if isinstance(value, list):
        return ["~#iL", [tagged(member) for member in value]]
    return value


def client_envelope(changes: list[dict[str, Any]], digest: str = "W10=") -> str:
    ext = {"network": {"name": "pgp", "version": "2"}, "engine": {"name": "automerge", "version": "0.14.1"}}
    payload = json.dumps(tagged(changes), separators=(",", ":"))
    return json.dumps({"name": "cic", "version": "1", "ext": ext, "payload": payload, "digest": digest})


def one_step(signer: PySigner, pointer: str, value: Any, actor: str = "") -> str:
    """The body of a one-step write of a string, number, boolean or flat object, by an actor newer than any before."""
    actor = actor or f"ffffffff-{time.time_ns():016x}"
    made = {"engine": "pgp", "algo": "sha256", **signature(signer, "W10=")}
    signing: list[dict[str, Any]] = [{"action": "makeMap", "obj": f"{actor}-s"}]
    signing += [{"action": "set", "obj": f"{actor}-s", "key": key, "value": text} for key, text in made.items()]
    signing.append({"action": "link", "obj": ROOT, "key": "signature", "value": f"{actor}-s"})
    steps = [("Initialization", flat_ops(pointer, value)), ("sign", signing)]
    return client_envelope(
        [
            {"ops": ops, "actor": actor, "seq": seq, "deps": {}, "message": message}
            for seq, (message, ops) in enumerate(steps, 1)
        ]
    )


def silent(port: int, sent: bytes, seconds: float) -> bool:
    """Whether the connection stays open without an answer for that long."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(sent)
        try:
            connection.recv(1)
        except TimeoutError:
            return True
        return False
