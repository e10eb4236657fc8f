"""The checkpoint beside the journal: a start goes on from it only when it fits, and tells the same chain with and without it."""

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox.node import chain as chains
from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.journal import FILE_NAME
from tests.support.reopened_chain import ReopenedChain


@pytest.mark.parametrize("seed", range(3))
def test_a_start_executes_only_what_came_after_it(world: ReopenedChain, seed: int) -> None:
    world.fill(seed)
    before = world.seen()
    world.again()
    assert (world.executed, world.seen()) == (0, before)
    world.fill(seed + 100, count=3)
    before = world.seen()
    world.kill()
    world.open()
    assert (world.executed, world.seen()) == (8, before)


@pytest.mark.parametrize("seed", range(2))
def test_the_chain_goes_on_from_it_as_from_all_blocks(world: ReopenedChain, tmp_path: Path, seed: int) -> None:
    """Also the gas of later transactions, which depends on what slots and accounts hold."""
    world.fill(seed)
    world.again()
    world.fill(seed + 7)
    with_it = world.seen()
    world.again()
    world.checkpoint.unlink()
    world.kill()
    world.open()
    assert world.executed > 0
    assert world.seen() == with_it


def cut(world: ReopenedChain) -> None:
    world.checkpoint.write_bytes(world.checkpoint.read_bytes()[:-1])


def flip(world: ReopenedChain) -> None:
    data = bytearray(world.checkpoint.read_bytes())
    data[-1] ^= 1
    world.checkpoint.write_bytes(data)


def other_format(world: ReopenedChain) -> None:
    world.checkpoint.write_bytes(world.checkpoint.read_bytes().replace(b", 1\n", b", 2\n", 1))


def empty(world: ReopenedChain) -> None:
    """What a power cut may leave of a file that was renamed before its content was on the disk."""
    world.checkpoint.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, other_format, empty, lambda world: world.checkpoint.unlink()])
def test_without_one_that_is_whole_all_is_executed(
    world: ReopenedChain, damage: Callable[[ReopenedChain], None]
) -> None:
    world.fill(1)
    before = world.seen()
    world.chain.close()
    damage(world)
    world.open()
    assert (world.executed, world.seen()) == (26, before)


def test_it_does_not_fit_a_journal_that_was_cut_or_changed_before_it(world: ReopenedChain) -> None:
    world.fill(1)
    world.chain.close()
    lines = world.journal.read_bytes().splitlines(keepends=True)
    world.journal.write_bytes(b"".join(lines[:-2]))
    world.open()
    assert world.executed == 24
    world.kill()
    world.journal.write_bytes(b"".join([lines[0], b'{"number":1}\n', *lines[2:]]))
    with pytest.raises(StateRefusedError, match=r"chain\.jsonl:2: damaged"):
        world.open()
    world.journal.write_bytes(b"".join(lines))
    world.open()
    assert world.executed == 0


def test_blocks_that_were_reverted_after_it_do_not_come_back(world: ReopenedChain) -> None:
    world.fill(1, count=2)
    snapshot = world.methods.call("evm_snapshot", [])
    nonce = world._nonce
    before = world.seen()
    world.fill(2, count=2)
    world.chain.save()
    world.methods.call("evm_revert", [snapshot])
    assert world.seen() == before
    world._nonce = nonce
    world.fill(3, count=1)
    after = world.seen()
    world.kill()
    world.open()
    assert world.executed > 0
    assert world.seen() == after


def test_a_journal_of_an_earlier_version_is_read_and_gone_on_with(world: ReopenedChain) -> None:
    """Its lines have no results, so its blocks stay in memory, and are executed at each start."""
    world.fill(1)
    before = world.seen()
    world.kill()
    first, *lines = world.journal.read_bytes().splitlines()
    world.journal.write_bytes(b"\n".join([first, *(line.partition(b',"results"')[0] + b"}" for line in lines), b""]))
    world.open()
    assert world.seen() == before
    world.fill(2, count=2)
    before = world.seen()
    world.again()
    assert (world.executed, world.seen()) == (26 + 6, before)
    assert not world.checkpoint.exists()


def test_results_that_executing_does_not_give_are_not_believed(world: ReopenedChain) -> None:
    world.fill(1)
    before = world.seen()
    world.kill()
    world.journal.write_bytes(world.journal.read_bytes().replace(b",1,21000,", b",1,21001,"))
    world.open()
    assert world.seen() == before


def test_a_block_whose_line_is_changed_behind_the_chains_back_is_not_told(world: ReopenedChain) -> None:
    world.fill(1)
    text = world.journal.read_bytes()
    world.journal.write_bytes(text.replace(b",1,21000,", b",1,21001,"))
    with pytest.raises(JsonRpcError, match=r"block \d+ cannot be read back: .*chain\.jsonl was changed"):
        world.seen()
    world.journal.write_bytes(text)


def test_it_is_written_while_the_chain_grows(world: ReopenedChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "_BETWEEN_CHECKPOINTS", 5)
    world.fill(1, count=20)
    before = world.seen()
    world.kill()
    world.open()
    assert 0 < world.executed <= 42 / 2
    assert world.seen() == before


def test_a_full_disk_costs_the_checkpoint_only(world: ReopenedChain, capsys: pytest.CaptureFixture[str]) -> None:
    world.fill(1)
    before = world.seen()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        world.chain.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "the checkpoint cannot be written: " in capsys.readouterr().err
    assert [path.name for path in world.folder.iterdir()] == [FILE_NAME]
    world.open()
    assert (world.executed, world.seen()) == (26, before)
