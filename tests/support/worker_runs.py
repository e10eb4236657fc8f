"""Runs with workers in a sandbox, with a Valkey of their own."""

import hashlib
import json
import subprocess
from pathlib import Path

import requests

from cicscenario.boundaries import FAILPOINT
from cicscenario.chain.keyfile import decrypt, problem_of
from cicscenario.language import load_environment
from cicscenario.sandbox import stack
from tests.support.commands import command_environment, command_line
from tests.support.valkey import Valkey
from tests.support.worker_processes import SECRET

_SCENARIO = """version: 1
name: {name}
population: {{size: {size}, seed: 7}}
gift: {{threshold: 9}}
backend: {{kind: eth, keystore: {{kdf: light}}}}
metadata: [person, phone]
"""


class WorkerWorld:
    """A sandbox with a node and a metadata store, a Valkey for workers, and an environment file that names all.

    ``bare`` is one that has the section `workers` only.
    """

    def __init__(self, folder: Path) -> None:
        self.home, self.folder = folder / "home", folder
        self.info = stack.up(self.home, services=["node", "meta"])
        self.valkey = Valkey(folder)
        secret = folder / "secret"
        secret.write_text(SECRET)
        self.environment = folder / "environment.yaml"
        section = f"workers: {{broker: '{self.valkey.url}', secret: 'file:{secret}', patience: 60}}\n"
        self.environment.write_text(f"extends: {self.info.environment}\n{section}")
        self.bare = folder / "bare.yaml"
        self.bare.write_text(f"version: 1\nname: bare\n{section}")

    def scenario(self, name: str, size: int) -> Path:
        path = self.folder / f"{name}.yaml"
        path.write_text(_SCENARIO.format(name=name, size=size))
        return path

    def start(self, name: str, size: int, failpoint: str = "") -> "subprocess.Popen[bytes]":
        path = self.scenario(name, size)
        arguments = command_line("run", str(path), "--env", str(self.environment))
        environment = command_environment(self.home) | ({FAILPOINT: failpoint} if failpoint else {})
        with (self.folder / "run.log").open("ab") as log:
            return subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)

    def said(self) -> str:
        return (self.folder / "run.log").read_text()

    def directory(self, name: str) -> Path:
        return self.home / "runs" / name

    def written(self, name: str) -> int:
        return len(list((self.directory(name) / "keystore").glob("*.json")))

    def documents(self, name: str) -> int:
        """How many people have their document in the metadata store, as the store itself says."""
        url = load_environment(self.environment).meta
        assert url is not None
        found = 0
        for path in (self.directory(name) / "keystore").glob("*.json"):
            at = hashlib.sha256(bytes.fromhex(path.stem) + b":cic.person").hexdigest()
            answer = requests.get(f"{url.url}/{at}", headers={"Connection": "close"}, timeout=30)
            found += answer.status_code == 200 and "vcard" in answer.text
        return found

    def close(self) -> None:
        self.valkey.close()
        stack.down(self.home)


def whole(world: WorkerWorld, name: str, size: int) -> None:
    """Everybody has one file, which opens with the run's password and is of the account that it is named by."""
    directory = world.directory(name)
    files = sorted((directory / "keystore").glob("*.json"))
    assert len(files) == size
    password = (directory / "keystore.password").read_text()
    for path in files:
        assert problem_of(path, bytes.fromhex(path.stem)) is None
    assert decrypt(files[0].read_bytes(), password)
    report = json.loads((directory / "report.json").read_text())
    assert report["exit_code"] == 0
    assert world.documents(name) == size
