"""A save and a restore are killed before and after each of their boundaries; the same command again does it whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cicscenario.errors import ExitCode
from cicscenario.sandbox import stack
from cicscenario.sandbox.snapshot.container import opened
from tests.support.reached import of_situation
from tests.support.sandboxes import Sandbox, small_scenario
from tests.support.states import content
from tests.support.zygote import Command, End, Zygote

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class World:
    """A home folder with two snapshots of one run: ``few`` with 3 people, and ``many`` with 5."""

    home: Path
    scenario: Path
    zygote: Zygote

    def command(self, *arguments: str, failpoint: str = "") -> End:
        point = failpoint and f"{failpoint}:1:kill"
        return self.zygote.run(Command(arguments, str(self.home), str(self.home / "said"), point))

    def done(self, *arguments: str) -> End:
        end = self.command(*arguments)
        assert end.code == ExitCode.OK, end.said
        return end

    def killed(self, point: str, *arguments: str) -> None:
        end = self.command(*arguments, failpoint=point)
        assert end.killed, f"{point} was not passed: {end.code} {end.said}"

    def run(self, size: int) -> None:
        self.done("run", str(self.scenario), "--set", f"population.size={size}", "--save", "latest", "--yes", "--keep")

    def chain(self) -> bytes:
        return (self.home / "sandbox" / "chain" / "chain.jsonl").read_bytes()

    def state(self) -> object:
        return content(self.home / "runs" / "small" / "state.sqlite")

    def names(self) -> set[str]:
        """What `stack list` shows; each of them can be used."""
        found = {path.stem for path in (self.home / "snapshots").glob("*.zst") if not path.name.startswith(".")}
        said = self.done("stack", "list").said.splitlines()[1:]
        assert {line.split()[0] for line in said} == found
        for name in found:
            with opened(self.home / "snapshots" / f"{name}.zst"):
                pass
        return found

    def unfinished(self) -> list[Path]:
        return [*self.home.glob("sandbox.[!l]*"), *self.home.glob("snapshots/.*"), *self.home.glob(".s*")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("killed")
    scenario = home / "small.yaml"
    scenario.write_text(small_scenario("none"))
    try:
        with Zygote() as zygote:
            made = World(home, scenario, zygote)
            for name, size in (("few", 3), ("many", 5)):
                made.run(size)
                (home / "snapshots" / "latest.zst").rename(home / "snapshots" / f"{name}.zst")
            yield made
    finally:
        stack.down(home, purge=True)


@pytest.mark.parametrize("point", of_situation("snapshot restored"))
def test_a_restore_that_is_killed_leaves_the_old_or_the_new_and_is_done_again(world: World, point: str) -> None:
    world.done("stack", "restore", "few", "--yes")
    few = world.chain(), world.state()
    world.done("stack", "restore", "many", "--yes")
    many = world.chain(), world.state()
    assert few != many
    world.killed(point, "stack", "restore", "few", "--yes")
    if point in ("snapshot.unpack:before", "snapshot.unpack:after", "snapshot.decide:before"):
        wanted = many
        assert (world.chain(), world.state()) == many, "nothing was replaced"
    else:
        wanted = few
    stack.finish_restore(world.home)
    assert (world.chain(), world.state()) == wanted
    world.done("stack", "restore", "few", "--yes")
    assert (world.chain(), world.state()) == few
    assert world.unfinished() == []


@pytest.mark.parametrize("point", ["snapshot.unpack:after", "snapshot.place_run:before", "snapshot.move_out:after"])
def test_the_run_goes_on_with_the_world_that_it_finds(world: World, point: str) -> None:
    """The next command is no restore, but a run: it has to find the state that belongs to the chain."""
    world.done("stack", "restore", "many", "--yes")
    world.killed(point, "stack", "restore", "few", "--yes")
    size = 5 if point == "snapshot.unpack:after" else 3
    end = world.done("run", str(world.scenario), "--set", f"population.size={size + 1}")
    assert f"{size} of {size + 1} already done" in end.said
    assert world.unfinished() == []


@pytest.mark.parametrize("point", of_situation("snapshot saved"))
def test_a_save_that_is_killed_is_there_whole_or_not_at_all_and_the_stack_goes_on(world: World, point: str) -> None:
    (world.home / "snapshots" / "new.zst").unlink(missing_ok=True)
    world.done("stack", "up", "--from", "few", "--yes")
    chain, state = world.chain(), world.state()
    world.killed(point, "stack", "save", "new")
    written = point in ("snapshot.write:after", "file.replace:after", "snapshot.start:before", "snapshot.start:after")
    assert world.names() == {"few", "many"} | ({"new"} if written else set())
    world.done("stack", "up", "--service", "node")
    assert Sandbox(world.home, world.home / "sandbox" / "environment.yaml").block() > 0
    assert (world.chain(), world.state()) == (chain, state)
    world.done("stack", "save", "new", "--yes")
    assert world.names() == {"few", "many", "new"}
    assert world.unfinished() == []
    world.done("stack", "restore", "new", "--yes")
    assert (world.chain(), world.state()) == (chain, state)


def test_one_that_is_replaced_is_the_old_one_until_the_new_one_is_whole(world: World) -> None:
    world.done("stack", "restore", "few", "--yes")
    world.done("stack", "save", "new", "--yes")
    path = world.home / "snapshots" / "new.zst"
    before = path.stat().st_ino
    for point in ("file.replace:before", "file.replace:after"):
        world.killed(point, "stack", "save", "new", "--yes")
        assert (path.stat().st_ino == before) == ("before" in point)
    assert world.names() == {"few", "many", "new"}
    assert path.stat().st_mode & 0o777 == 0o600
