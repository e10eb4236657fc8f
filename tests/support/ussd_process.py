"""The phone interface in a process of its own, as the sandbox starts it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from cicscenario.sandbox.ports import free_port
from tests.support.fake_chain import REGISTRY, FakeChain
from tests.support.fake_meta import FakeMeta, key
from tests.support.postgres import PASSWORD, USER, Postgres
from tests.support.ussd_world import emptied_database, request
from tests.support.valkey import Valkey
from tests.support.waiting import eventually


class UssdProcess:
    """``flags`` are added to the command line, and win over what stands there."""

    def __init__(
        self, folder: Path, valkey: Valkey, postgres: Postgres, meta: FakeMeta, chain: FakeChain, *flags: str
    ) -> None:
        self.port = free_port()
        self.database = emptied_database(postgres, "2021" if "2021" in flags else "current")
        (folder / "writer.asc").write_bytes(bytes(key()))
        (folder / "passphrase").write_text("\n")
        (folder / "password").write_text(f"{PASSWORD}\n")
        self.log = folder / "log"
        self.flags = [
            "--host", "127.0.0.1", "--port", str(self.port),
            "--broker", valkey.url,
            "--database", f"postgresql://{USER}@127.0.0.1:{postgres.port}/{self.database}",
            "--password-file", str(folder / "password"), "--chain-spec", "evm:byzantium:8996:bloxberg",
            "--rpc", chain.url, "--registry", f"0x{REGISTRY.hex()}", "--meta", meta.url,
            "--key", str(folder / "writer.asc"), "--passphrase-file", str(folder / "passphrase"), *flags,
        ]  # fmt: skip
        self.command = [sys.executable, "-m", "cicscenario.sandbox.ussd", *self.flags]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log, env=os.environ)
        eventually(self._answers, f"waited for the phone interface, see {self.log}")
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            return request(self.port, "GET", "/", {}, None).status == 405
        except ConnectionRefusedError:
            return False

    def end(self, number: int) -> int:
        """Sends a signal; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(20)

    def run(self) -> "subprocess.CompletedProcess[str]":
        """Runs it to its end, for errors."""
        return subprocess.run(self.command, capture_output=True, text=True, timeout=60)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(20)
