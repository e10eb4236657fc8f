"""A damaged state is refused, repaired from what can be proven, and the next run finishes: everybody is paid once."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cicscenario.chain.abi import to_hex
from cicscenario.sandbox import stack
from tests.support.phone_world import PhoneWorld
from tests.support.sandboxes import Run, Sandbox, gifts_since
from tests.support.states import alter

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("box")
    yield Sandbox(home, stack.up(home, services=stack.CHAIN_ONLY).environment)
    stack.down(home, purge=True)


@pytest.fixture(scope="module")
def finished(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """The directory of a run of 12 people, the block before it, and the signer's number of transactions after it."""
    place = tmp_path_factory.mktemp("finished") / "small"
    scenario = place.parent / "small.yaml"
    scenario.write_text(SMALL)
    first = box.block()
    done = Run(box, scenario, place).command()
    assert done.returncode == 0, done.stderr
    return place, first, sent(box)


SMALL = """
version: 1
name: small
population: {size: 12, seed: 7}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
environment: sandbox
"""


def sent(box: Sandbox) -> int:
    session = box.session()
    return int(session.rpc.call("eth_getTransactionCount", to_hex(session.signer.address), "latest"), 16)


def rows(path: Path) -> None:
    """One row of each table."""
    alter(path, "people", "id = 3", "address", b"\x07" * 20)
    alter(path, "people", "id = 4", "phone", "+254700000000")
    alter(path, "outcomes", "step = 'gift' AND person = 5", "ok", 0)
    alter(path, "ledger", "id = 5", "nonce", 5000)
    alter(
        path,
        "ledger",
        "purpose = 'gift' AND id = (SELECT max(id) FROM ledger WHERE purpose = 'gift')",
        "status",
        "failed",
    )
    alter(path, "meta", "key = 'lineage'", "value", "0" * 32)
    alter(path, "checks", "name = 'balance'", "errors", 1)


def first_page(path: Path) -> None:
    """Nothing at all can be read."""
    raw = path.read_bytes()
    path.write_bytes(bytes(4096) + raw[4096:])


def half(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])


def middle(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 8192] = b"\xff" * 8192
    path.write_bytes(raw)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [rows, first_page, half, middle, emptied], ids=lambda one: one.__name__)
def test_nobody_is_paid_twice_after_a_repair(
    box: Sandbox, finished: tuple[Path, int, int], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    place, first, after = finished
    run = Run(box, place.parent / "small.yaml", tmp_path / "small")
    shutil.copytree(place, run.place)
    given, state = run.given(), run.place / "state.sqlite"
    damage(state)
    damaged = state.read_bytes()
    refused = run.command()
    assert refused.returncode == 4, refused.stderr
    assert f"cicscenario state repair {run.scenario} " in refused.stderr
    assert f" --dir {run.place} (it keeps the damaged file" in refused.stderr
    assert state.read_bytes() == damaged
    shown = box.command("state", "show", str(run.place))
    assert shown.returncode == 0
    assert "damaged: " in shown.stdout
    assert box.command("state", "verify", str(run.place)).returncode == 4
    repaired = repair(run)
    assert repaired.returncode in (0, 5), repaired.stderr
    assert "Traceback" not in repaired.stderr
    (kept,) = run.place.glob("state.sqlite.damaged-*[0-9]")
    assert kept.read_bytes() == damaged
    done = run.command()
    assert done.returncode == 0, done.stderr
    gifts = gifts_since(box, first)
    assert {account: gifts[account] for account in given} == given
    assert run.given() == given
    assert sent(box) == after, "nothing was sent again"
    assert set(run.errors().values()) == {(0, 12)}
    sound = box.command(
        "state", "verify", str(run.scenario), "--dir", str(run.place), "--services", "--env", str(box.environment)
    )
    assert sound.returncode == 0, sound.stderr
    assert repair(run).stdout.endswith("is sound; nothing was changed\n")


def repair(run: Run):
    return run.box.command(
        "state", "repair", str(run.scenario), "--dir", str(run.place), "--env", str(run.box.environment)
    )


def test_a_run_that_stood_still_in_the_middle_goes_on_after_a_repair(box: Sandbox, tmp_path: Path) -> None:
    scenario = tmp_path / "small.yaml"
    scenario.write_text(SMALL)
    run, first = Run(box, scenario, tmp_path / "run"), box.block()
    assert run.command("--until", "gift").returncode == 0
    middle(run.place / "state.sqlite")
    assert repair(run).returncode == 0
    done = run.command()
    assert done.returncode == 0, done.stderr
    gifts = gifts_since(box, first)
    assert {account: gifts[account] for account in run.given()} == run.given()
    assert set(run.errors().values()) == {(0, 12)}


@pytest.mark.timeout(300)
def test_people_who_joined_by_phone_are_found_again(tmp_path: Path) -> None:
    world = PhoneWorld(tmp_path)
    try:
        scenario = str(world.scenario())
        assert world.command("run", scenario).returncode == 0
        before = {person.id: person.address for person in world.people()}
        (state,) = tmp_path.rglob("runs/*/state.sqlite")
        half(state)
        assert world.command("run", scenario).returncode == 4
        repaired = world.command("state", "repair", scenario)
        assert repaired.returncode in (0, 5), repaired.stderr
        done = world.command("run", scenario)
        assert done.returncode == 0, done.stderr
        assert {person.id: person.address for person in world.people()} == before
        assert json.loads((state.parent / "report.json").read_text())["orphans"] == 0
    finally:
        world.close()
