"""Whole runs of all backends against a whole sandbox, with known secrets of every kind: none is seen where it does not belong.

Looked at are the state and its log, events, plan, reports, the export, what commands print with tracebacks, temporary files,
logs and data of the sandbox, and the arguments and variables of all processes while they run. ``test_leaks.py`` shows that a
secret that is there is found.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from cicscenario.chain.keyfile import encrypt
from cicscenario.chain.signer import derive_key
from cicscenario.errors import ExitCode
from cicscenario.legacy.accountfiles import read_pins
from cicscenario.sandbox import stack
from cicscenario.sandbox.daemon import Daemon
from tests.support.commands import command_environment, command_line
from tests.support.leaks import ProcessWatch, Secrets
from tests.support.saying_server import SayingServer, http_reply

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PEOPLE = 5
SCENARIO = "version: 1\nname: {kind}\npopulation: {{size: 5, seed: 7}}\ngift: {{threshold: 9}}\n{more}"
BACKENDS = {
    "eth": "backend: {kind: eth, keystore: {kdf: light}}\nmetadata: [person]\n"
    "gas: 10000000000000000\ntraffic: {payments: 9}\n",
    "cic_eth": "backend: {kind: cic_eth, patience: 90}\nmetadata: [person, custom]\n",
    "cic_ussd": "backend: {kind: cic_ussd, patience: 90}\nmetadata: [person, phone, preferences, custom]\n"
    "pins: {scheme: bcrypt, cost: 4}\nussd_data: true\n",
}
#: Given to commands in their variables, as `{{ env.NAME }}` reads them, and as people keep others there.
VARIABLES = ("NODE_PASSWORD", "NODE_KEY", "USSD_PASSWORD", "CICSCENARIO_TOKEN", "GIT_TOKEN")


def _at_home(path: Path) -> bool:
    """Whether secrets belong into a file of a run directory or an export."""
    return "keystore" in path.parts or path.name in ("secret", "keystore.password", "pins.csv")


@dataclass
class World:
    """A sandbox with all services, started from a shell that holds secrets, and an environment file that refers to more."""

    folder: Path
    variables: dict[str, str] = field(
        default_factory=lambda: {name: f"{name.lower()}-{secrets.token_hex(12)}" for name in VARIABLES}
    )
    printed: list[bytes] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def sandbox(self) -> Path:
        return self.home / "sandbox"

    def start(self) -> None:
        (self.folder / "tmp").mkdir()
        assert self.command("stack", "up").returncode == ExitCode.OK
        self.file("keyfile.password", secrets.token_hex(12))
        self.file("redis.password", secrets.token_hex(12))
        key = bytes.fromhex((self.sandbox / "signer.key").read_text())
        (self.folder / "signer.json").write_bytes(encrypt(key, self.read("keyfile.password"), "light"))
        client = redis.Redis.from_url(self.environment["custodial"]["broker"])
        password = f">{self.read('redis.password')}"
        client.execute_command("ACL", "SETUSER", "tester", "on", password, "~*", "&*", "+@all")
        client.close()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Runs a command; what it prints is looked at in the end."""
        given = command_environment(self.home) | self.variables
        given |= {"CICSCENARIO_DEBUG": "1", "TMPDIR": str(self.folder / "tmp")}
        done = subprocess.run(command_line(*arguments), env=given, capture_output=True, timeout=300, cwd=self.folder)
        self.printed += [done.stdout, done.stderr]
        return done

    def file(self, name: str, text: str) -> None:
        (self.folder / name).write_text(f"{text}\n")

    def read(self, name: str) -> str:
        return (self.folder / name).read_text().strip()

    @cached_property
    def environment(self) -> dict[str, Any]:
        """The sandbox's own environment file, with absolute paths."""
        found: dict[str, Any] = yaml.safe_load((self.sandbox / "environment.yaml").read_text())
        for section, name in (("meta", "key"), ("meta", "passphrase"), ("accounts", "password")):
            found[section][name] = f"file:{self.sandbox / found[section][name].removeprefix('file:')}"
        return found

    def place(self, name: str, change: Callable[[dict[str, Any]], None] = lambda document: None) -> Path:
        """An environment file whose every service has a secret."""
        document = json.loads(json.dumps(self.environment))
        node = document["chain"]["rpc"].removeprefix("http://")
        document["chain"]["rpc"] = f"http://clerk:{{{{ env.NODE_PASSWORD }}}}@{node}/?apikey={{{{ env.NODE_KEY }}}}"
        document["chain"]["signer"] = {"keyfile": "signer.json", "password": "file:keyfile.password"}
        document["custodial"] |= {"user": "tester", "password": "file:redis.password"}
        document["ussd"] |= {"user": "gateway", "password": "{{ env.USSD_PASSWORD }}"}
        change(document)
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    def scenario(self, kind: str) -> Path:
        path = self.folder / f"{kind}.scenario.yaml"
        path.write_text(SCENARIO.format(kind=kind, more=BACKENDS[kind]))
        return path

    def known(self) -> dict[str, bytes]:
        """Every secret that there is by now."""
        found = {name: value.encode() for name, value in self.variables.items()}
        for path in (*self.sandbox.glob("*.key"), *self.sandbox.glob("*.password"), *self.folder.glob("*.password")):
            found[path.name] = path.read_bytes().strip()
        found |= {f"{name} as bytes": bytes.fromhex(v.decode()) for name, v in found.items() if name.endswith(".key")}
        found["OpenPGP key"] = (self.sandbox / "meta" / "writer.asc").read_bytes()
        found["OpenPGP passphrase"] = (self.sandbox / "meta" / "writer.passphrase").read_bytes().strip()
        for path in self.home.rglob("runs/*/secret"):
            secret = bytes.fromhex(path.read_text())
            found |= {f"key of person {n}": derive_key(secret, n) for n in range(PEOPLE)}
            found["secret of a run"] = secret
        for path in self.home.rglob("keystore.password"):
            found["password of people's keystore files"] = path.read_bytes().strip()
        for path in self.home.rglob("pins.csv"):
            found |= {f"PIN hash of {row.phone}": row.password_hash.encode() for row in read_pins(path)}
        return found

    def leaks(self) -> set[str]:
        """Where secrets are seen."""
        known = Secrets(self.known())
        found = {f"printed: {what}" for text in self.printed for what in known.found_in(text)}
        found |= known.found_in_files(self.home / "runs", _at_home)
        found |= known.found_in_files(self.folder / "tmp")
        for path in self.folder.glob("export-*"):
            found |= known.found_in_files(path, _at_home)
        for path in self.sandbox.iterdir():
            if path.suffix in (".log", ".json", ".yaml"):
                found |= {f"{path.name}: {what}" for what in known.found_in(path.read_bytes())}
        for name in ("chain", "redis"):
            found |= known.found_in_files(self.sandbox / name)
        found |= known.found_in_files(self.sandbox / "meta", lambda path: path.name.startswith("writer."))
        return found | {
            f"core file {path}" for path in self.folder.rglob("core*") if path.is_file() and path.stat().st_size > 10**6
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("secrets"))
    try:
        made.start()
        yield made
    finally:
        stack.down(made.home, purge=True)


@pytest.mark.parametrize("kind", BACKENDS)
def test_no_secret_of_a_whole_run_is_seen(world: World, kind: str) -> None:
    scenario, place = str(world.scenario(kind)), str(world.place("place"))
    with ProcessWatch(Secrets(world.known()), may_have=VARIABLES) as watch:
        for words in (
            ["plan", scenario, "--env", place],
            ["run", scenario, "--env", place],
            ["verify", scenario, "--env", place, "--json"],
            ["export", scenario, f"export-{kind}"],
        ):
            done = world.command(*words)
            assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert watch.seen > 100
    assert watch.found == set()
    assert len(world.known()) >= 13 + (PEOPLE if kind == "cic_ussd" else 0)
    assert world.leaks() == set()


def test_no_daemon_has_the_variables_of_the_shell_that_started_it(world: World) -> None:
    pids = {name: Daemon(name, world.sandbox).pid() for name in stack.SERVICES}
    assert all(pids.values())
    for name, pid in pids.items():
        variables = Path(f"/proc/{pid}/environ").read_bytes()
        assert not any(value.encode() in variables for value in world.variables.values()), name
        assert not [text for text in variables.split(b"\0") if text.startswith((b"CICSCENARIO", b"GIT_"))], name


def _elsewhere(port: int) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for section, name in (("chain", "rpc"), ("custodial", "broker"), ("ussd", "url"), ("meta", "url")):
            document[section][name] = document[section][name].replace(
                f":{world_port(document[section][name])}", f":{port}"
            )
        document["accounts"]["port"] = port

    return change


def world_port(address: str) -> str:
    return address.rpartition("127.0.0.1:")[2].partition("/")[0]


def _echo(request: bytes) -> bytes:
    """A page that repeats the whole request, as some proxies do."""
    line = request.partition(b"\r\n")[0].decode("latin-1")
    return http_reply(f"Bad {line}", b"<pre>" + request, 400, Content_Type="text/html", Location=line.split()[1])


@pytest.mark.parametrize("trouble", ["wrong secrets", "nobody there", "all is repeated"])
def test_no_secret_of_a_run_that_fails_is_seen(world: World, trouble: str) -> None:
    name = trouble.replace(" ", "-")
    wrong = {
        secret: secrets.token_hex(12)
        for secret in ("wrong.keyfile.password", "wrong.redis.password", "wrong.pg.password")
    }
    for file, text in wrong.items():
        world.file(file, text)

    def other_secrets(document: dict[str, Any]) -> None:
        document["chain"]["signer"]["password"] = "file:wrong.keyfile.password"
        document["custodial"]["password"] = "file:wrong.redis.password"
        document["accounts"]["password"] = "file:wrong.pg.password"
        document["meta"]["passphrase"] = "file:wrong.redis.password"

    with SayingServer(_echo) as server:
        changes = {
            "wrong secrets": other_secrets,
            "nobody there": _elsewhere(9),
            "all is repeated": _elsewhere(server.port),
        }
        place = str(world.place(name, changes[trouble]))
        scenario = str(world.scenario("cic_ussd"))
        with ProcessWatch(Secrets(world.known()), may_have=VARIABLES) as watch:
            planned = world.command("plan", scenario, "--env", place, "--dir", f"home/runs/{name}")
            run = world.command("run", scenario, "--env", place, "--dir", f"home/runs/{name}")
            shown = world.command("config", place)
    assert planned.returncode != ExitCode.OK
    assert run.returncode in (ExitCode.UNAVAILABLE, ExitCode.INVALID), run.stderr
    assert b"Traceback" in run.stderr  # it was looked at, too
    assert shown.returncode == ExitCode.OK
    assert watch.found == set()
    assert world.leaks() == set()


def test_the_variables_that_commands_were_given_are_those_that_were_meant(world: World) -> None:
    assert not set(VARIABLES) & set(os.environ)
