"""Programs load at the same time; one that needs others begins its work when they are up."""

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cicscenario.errors import UnavailableError
from cicscenario.sandbox import starting
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.process import HOLD, wait_for_others
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.starting import Starting


class World:
    """Services ``a`` and ``b``, and ``c``, which needs both; what happens to them is written down."""

    def __init__(self, folder: Path, registry: str, *, running: str = "", broken: str = "") -> None:
        self.happened: list[str] = []
        self.waited: list[str] = []  # what was told
        self.readers: dict[str, int] = {}
        self.broken, self.running = broken, running
        record = Record("embedded", "classic", registry)
        self.starting = Starting(folder, ["a", "b", "c"], record, self.daemon, self.launch, self.told)

    def told(self, name: str, number: int, total: int, seconds: float | None) -> None:
        self.waited.append(name if seconds is None else f"{name} is ready")

    def launch(self, name: str, hold: int | None) -> Any:
        self.happened.append(f"launch {name}{'' if hold is None else ', held'}")
        if hold is not None:
            self.readers[name] = os.dup(hold)
        return None if name in self.running else subprocess.Popen(["true"])

    def is_held(self, name: str) -> bool:
        return name in self.readers and not select.select([self.readers[name]], [], [], 0)[0]

    def daemon(self, name: str) -> Any:
        world = self

        class Fake(Daemon):
            def pid(self) -> int | None:
                return 1 if name in world.running else None

            def wait_until_up(self, process: "subprocess.Popen[bytes]", answers: Any) -> None:
                process.wait()
                world.happened.append(f"up {name}{', held' if world.is_held(name) else ''}")
                if name == world.broken:
                    raise UnavailableError(f"{name} is broken")

            def stop(self) -> bool:
                world.happened.append(f"stop {name}")
                return True

        return Fake(name, self.starting.folder)


class Service:
    def provision(self, site: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "waves", lambda names: [["a", "b"], ["c"]])
    monkeypatch.setattr(starting, "SERVICES", dict.fromkeys("abc", Service()))


def test_all_load_at_once_and_the_last_begins_when_the_others_are_up(tmp_path: Path) -> None:
    world = World(tmp_path, "0xab")
    world.starting.start()
    assert world.happened == ["launch a", "launch b", "launch c, held", "up a", "up b", "up c"]
    os.close(world.readers["c"])


def test_what_is_told_last_is_what_is_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, "0xab")
    world.starting.start()
    assert world.waited == ["a", "b", "c", "a", "a is ready", "b", "b is ready", "c", "c is ready"]
    os.close(world.readers["c"])


def test_of_those_that_are_up_nothing_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, "0xab", running="abc")
    world.starting.start()
    assert world.waited == []
    world = World(tmp_path, "0xab", running="ac")
    world.starting.start()
    assert world.waited == ["b", "b", "b is ready"]


def test_one_whose_command_is_not_known_yet_is_started_later(tmp_path: Path) -> None:
    world = World(tmp_path, "")
    world.starting.start()
    assert world.happened == ["launch a", "launch b", "up a", "up b", "launch c", "up c"]


def test_one_that_runs_is_looked_at_when_the_others_are_up(tmp_path: Path) -> None:
    world = World(tmp_path, "0xab", running="c")
    world.starting.start()
    assert world.happened == ["launch a", "launch b", "up a", "up b", "launch c"]
    assert list(world.starting.started) == ["a", "b"]


def test_when_one_fails_all_are_stopped_and_none_waits_for_ever(tmp_path: Path) -> None:
    world = World(tmp_path, "0xab", broken="b")
    with pytest.raises(UnavailableError, match="b is broken"):
        world.starting.start()
    assert world.is_held("c")
    world.starting.undo()
    assert world.happened[-3:] == ["stop c", "stop b", "stop a"]
    assert not world.is_held("c")
    os.close(world.readers["c"])


def test_a_program_waits_until_its_starter_lets_it_go_or_is_killed() -> None:
    code = "from cicscenario.sandbox.process import wait_for_others; wait_for_others(); print('begun')"
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {HOLD: str(reading)},
        pass_fds=(reading,),
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(reading)
    assert process.stdout
    assert not select.select([process.stdout], [], [], 0.5)[0], "it waits"
    os.close(writing)
    assert process.communicate(timeout=60)[0] == "begun\n"


def test_a_program_that_is_not_held_begins_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HOLD, raising=False)
    wait_for_others()
