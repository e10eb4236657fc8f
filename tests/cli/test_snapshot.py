"""``stack save``, ``restore``, ``list`` and ``up --from``, and ``run --save``, with a chain alone."""

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.api import snapshots
from cicscenario.cli import snapshot
from cicscenario.errors import CicScenarioError, ExitCode, InvalidError, StateRefusedError, UnavailableError
from cicscenario.language import load_environment
from cicscenario.sandbox import stack
from cicscenario.sandbox.record import dialect_of
from cicscenario.sandbox.services import SERVICES
from cicscenario.sandbox.snapshot import restore as restoring
from cicscenario.sandbox.stack import used
from cicscenario.state.directory import directory_lock
from tests.support.commands import cicscenario
from tests.support.sandboxes import NODES, Run, Sandbox, gifts_since, small_scenario

UP = snapshot.UpOptions(None, None, (), (), None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CICSCENARIO_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    stack.down(tmp_path / "home", purge=True)


def start(home: Path, node: str = "embedded") -> Sandbox:
    return Sandbox(home, stack.up(home, node=node).environment)


def state_run(home: Path, name: str, registry: str) -> Path:
    """A folder with a state that says on which chain it is."""
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "state.sqlite") as db:
        db.execute("CREATE TABLE meta (key, value)")
        db.execute("CREATE TABLE people (id)")
        db.execute("INSERT INTO meta VALUES ('registry', ?)", (registry,))
        db.execute("INSERT INTO people VALUES (0)")
    db.close()
    (folder / "lock").write_text("{}")
    return folder


def everything(home: Path) -> dict[str, bytes]:
    """What a refused command must leave as it is; locks, the list of users and `.gitignore` are no content."""
    paths = [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".lock", ".log")]
    return {str(path.relative_to(home)): path.read_bytes() for path in paths if path.name not in ("lock", ".gitignore")}


def test_a_saved_chain_is_back_with_its_runs_under_new_ports(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = start(home)
    registry = load_environment(box.environment).chain.registry
    ours, other = state_run(home, "ours", registry), state_run(home, "other", f"0x{'00' * 20}")
    earlier = state_run(home, "ours.20260101T000000", registry)
    varied = state_run(home, "varied.20260101T000000/seed=1", registry).parent
    block, before = box.block(), box.environment.read_text()
    assert snapshot.save("first", yes=False) == ExitCode.OK
    path = home / "snapshots" / "first.zst"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "with ours (1 person)\n  it has the keys of the sandbox" in capsys.readouterr().out
    assert box.environment.read_text() == before, "it is up again as it was"
    assert box.block() == block

    stack.down(home, purge=True)
    assert snapshot.up("first", UP, yes=False) == ExitCode.OK
    said = capsys.readouterr().out
    (aside,) = set(home.glob("runs/ours.*")) - {earlier}
    assert f"an earlier run was renamed: {aside}" in said
    assert {folder.name for folder in home.glob("runs/*")} == {
        ours.name,
        other.name,
        earlier.name,
        varied.name,
        aside.name,
    }
    assert sorted(file.name for file in ours.iterdir()) == ["state.sqlite"]
    assert box.block() == block
    assert load_environment(box.environment).chain.registry == registry
    after = box.environment.read_text()
    assert [line for line in after.splitlines() if line not in before] == [
        line for line in after.splitlines() if line.strip().startswith(("rpc:", "copy:"))
    ]

    assert snapshot.listed("text") == ExitCode.OK
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["snapshot", "made", "size", "node", "runs"]
    assert row.split()[0] == "first"
    assert row.endswith("embedded, classic  ours (1 person)")


# --- names, and what is asked -------------------------------------------------------------------------------------


def test_a_name_is_in_the_home_folder_and_a_path_is_where_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert snapshot.path_of("a", tmp_path / "home") == tmp_path / "home" / "snapshots" / "a.zst"
    assert snapshot.path_of("a.zst", tmp_path / "home") == tmp_path / "a.zst"
    assert snapshot.path_of("/b/a.zst", tmp_path / "home") == Path("/b/a.zst")


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "-a", "a b", "a\n", "ä", "n" * 101])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidError, match="not a name for a snapshot"):
        snapshot.path_of(name, tmp_path)


def test_nothing_is_replaced_without_a_yes(home: Path) -> None:
    for folder in ("snapshots", "sandbox"):
        (home / folder).mkdir(parents=True)
    (home / "snapshots" / "a.zst").write_text("earlier")
    (home / "sandbox" / "stack.json").write_text("{}")
    before = everything(home)
    with pytest.raises(InvalidError, match=r"to replace .*/snapshots/a.zst wants a yes"):
        snapshot.save("a", yes=False)
    assert everything(home) == before


def test_there_is_a_word_when_there_is_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert snapshot.listed("text") == ExitCode.OK
    assert "there are no snapshots in" in capsys.readouterr().out
    with pytest.raises(InvalidError, match=r"there is no snapshot .*/snapshots/a.zst"):
        snapshot.restored("a", yes=True)
    with pytest.raises(InvalidError, match=r"there is no sandbox in .* to save"):
        snapshot.save("a", yes=True)
    assert not home.exists()


def test_a_damaged_snapshot_is_listed_with_its_trouble(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "snapshots").mkdir(parents=True)
    (home / "snapshots" / "a.zst").write_text("no snapshot")
    (home / "snapshots" / ".b.zst.abcdefgh.unfinished").write_text("half")
    snapshot.listed("json")
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["name"], line["bytes"]) == ("a", 11)
    assert line["trouble"].endswith("it is not a snapshot")


def test_the_dialect_of_the_phone_interface_is_kept_and_its_faults_are_not() -> None:
    assert dialect_of({}) is None
    assert dialect_of({"ussd": ["--fault", "error-every=2"]}) is None
    assert dialect_of({"ussd": ["--fault", "error-every=2", "--dialect", "2021"]}) == "2021"


# --- one saved sandbox, which is not changed ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of a chain alone."""
    home = tmp_path_factory.mktemp("saved")
    stack.up(home)
    try:
        snapshots.saved(home / "a.zst", home)
    finally:
        stack.down(home, purge=True)
    return home / "a.zst"


@pytest.fixture
def there(home: Path) -> dict[str, bytes]:
    """What is in a home folder with a sandbox that is down."""
    (home / "sandbox" / "chain").mkdir(parents=True)
    (home / "sandbox" / "stack.json").write_text('{"node": "embedded", "contracts": "classic"}')
    (home / "sandbox" / "chain" / "chain.jsonl").write_text("mine")
    return everything(home)


def refused(path: Path, home: Path, there: dict[str, bytes]) -> CicScenarioError:
    """What the restore is refused with, all being as it was."""
    with pytest.raises(CicScenarioError) as error:
        snapshot.restored(str(path), yes=True)
    assert everything(home) == there
    assert not list(home.glob("sandbox.[!l]*"))
    return error.value


def test_a_sandbox_that_is_there_is_not_replaced_without_a_yes(
    saved: Path, home: Path, there: dict[str, bytes]
) -> None:
    with pytest.raises(InvalidError, match=r"to replace .*/sandbox wants a yes"):
        snapshot.restored(str(saved), yes=False)
    assert everything(home) == there


def test_a_damaged_one_is_refused_and_nothing_is_touched(
    saved: Path, home: Path, there: dict[str, bytes], tmp_path: Path
) -> None:
    whole, path = saved.read_bytes(), tmp_path / "b.zst"
    for content in (whole[:-1], whole[: len(whole) // 2], whole[:5000] + b"\0" + whole[5001:], b"", b"not one"):
        path.write_bytes(content)
        assert refused(path, home, there).exit_code == ExitCode.STATE_REFUSED


def test_another_version_is_refused_with_both(
    saved: Path, home: Path, there: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(SERVICES["node"]), "form", lambda self, record: "embedded node, journal 2")
    message = refused(saved, home, there).message
    assert "was made with other versions (cicscenario 0.1.0, 20" in message
    assert ": embedded node, journal 1, pyrevm " in message
    assert message.endswith(" in the snapshot, embedded node, journal 2 here")


def test_a_full_disk_is_told_before_anything_is_written(
    saved: Path, home: Path, there: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "_RESERVE", 2**63)
    error = refused(saved, home, there)
    assert isinstance(error, UnavailableError)
    assert f"{home} has no room for {saved}" in error.message


def test_other_choices_are_refused(saved: Path, home: Path, there: dict[str, bytes]) -> None:
    for name, choice in (("node", "anvil"), ("contracts", "latest")):
        options = snapshot.UpOptions(
            **{"node": None, "contracts": None} | {name: choice}, services=(), faults=(), dialect=None
        )
        with pytest.raises(StateRefusedError, match=f"was made with --{name} .*, not {choice}"):
            snapshot.up(str(saved), options, yes=True)
    slow = snapshot.UpOptions(None, None, services=(), faults=(), dialect=None, pace="slow")
    with pytest.raises(InvalidError, match="unknown pace: slow"):
        snapshot.up(str(saved), slow, yes=True)
    assert everything(home) == there


def test_without_its_package_the_message_says_which(saved: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(UnavailableError, match="zstandard, which is not installed"):
        snapshot.restored(str(saved), yes=True)


def test_a_run_that_is_under_way_keeps_its_folder(saved: Path, home: Path) -> None:
    """A run of the same name in another environment is not renamed under its feet."""
    folder = state_run(home, "busy", "")
    guard = snapshots._kept_from_others(home, ["busy"])
    with directory_lock(folder), pytest.raises(StateRefusedError, match="is in use"):
        guard.__enter__()


@pytest.mark.slow
def test_what_a_run_uses_is_neither_saved_nor_replaced(saved: Path, home: Path) -> None:
    box = start(home)
    before = everything(home)
    with used(box.environment, "the scenario small"):
        for arguments in (("save", "a"), ("restore", str(saved), "--yes"), ("up", "--from", str(saved), "--yes")):
            done = box.command("stack", *arguments)
            assert done.returncode == ExitCode.STATE_REFUSED, done.stderr
            assert f"in use by the scenario small, process {os.getpid()}" in done.stderr
    assert {service.state for service in stack.status(home)} == {"up"}
    assert {name: text for name, text in everything(home).items() if not name.startswith("sandbox/users/")} == before


# --- runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(small_scenario("none"))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("node", NODES)
def test_a_green_run_is_saved_and_goes_on_after_it_is_restored(home: Path, scenario: Path, node: str) -> None:
    done = cicscenario(home, "run", str(scenario), "--node", node, "--save", "green")
    assert done.returncode == ExitCode.OK, done.stderr
    assert f"saved: {home}/snapshots/green.zst" in done.stdout + done.stderr
    stack.down(home, purge=True)
    (home / "runs" / "small").rename(home / "lost")
    snapshot.up("green", UP, yes=False)
    box = Sandbox(home, home / "sandbox" / "environment.yaml")
    assert cicscenario(home, "verify", str(scenario)).returncode == ExitCode.OK
    block = box.block()
    more = cicscenario(home, "run", str(scenario), "--set", "population.size=15")
    assert more.returncode == ExitCode.OK, more.stderr
    assert "12 of 15 already done" in more.stdout + more.stderr
    assert sum(gifts_since(box, block).values()) == 3


@pytest.mark.slow
def test_only_a_green_run_in_the_sandbox_is_saved(home: Path, scenario: Path, tmp_path: Path) -> None:
    box = start(home)
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(box.environment.read_text().replace('"file:', f'"file:{home}/sandbox/'))
    other = cicscenario(home, "run", str(scenario), "--env", str(elsewhere), "--save", "a")
    assert other.returncode == ExitCode.INVALID
    assert f"this run is in another environment: {elsewhere}" in other.stderr
    red = cicscenario(home, "run", str(scenario), "--save", "a", "--set", "gift.threshold=1000000000000")
    assert red.returncode == ExitCode.UNAVAILABLE, red.stderr
    assert not (home / "snapshots").exists()


@pytest.mark.slow
def test_a_state_from_outside_that_is_older_than_the_chain_pays_nobody_again(home: Path, scenario: Path) -> None:
    """The run directory is not in the home folder, so it is not in the snapshot: an older copy of it meets a newer chain."""
    run = Run(start(home), scenario, home / "outside")
    assert run.command("--until", "registration").returncode == ExitCode.OK
    older = {path.name: path.read_bytes() for path in run.place.iterdir() if path.is_file()}
    assert run.command().returncode == ExitCode.OK
    snapshot.save("paid", yes=False)
    paid = gifts_since(run.box, 0)
    stack.down(home, purge=True)
    snapshot.up("paid", UP, yes=False)
    for path in [path for path in run.place.iterdir() if path.is_file()]:
        path.unlink()
    for name, content in older.items():
        (run.place / name).write_bytes(content)
    assert run.command().returncode in (ExitCode.OK, ExitCode.RECONCILE)
    assert gifts_since(run.box, 0) == paid


@pytest.mark.slow
def test_a_state_from_outside_that_is_newer_than_the_chain_pays_everybody_once(home: Path, scenario: Path) -> None:
    run = Run(start(home), scenario, home / "outside")
    snapshot.save("empty", yes=False)
    assert run.command().returncode == ExitCode.OK
    snapshot.up("empty", UP, yes=True)
    assert not gifts_since(run.box, 0)
    again = run.command()
    assert again.returncode in (ExitCode.OK, ExitCode.RECONCILE), again.stderr
    assert not gifts_since(run.box, 0) - run.given(), "nobody is paid twice"
