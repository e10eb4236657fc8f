"""The disk is full when a block is to be written to the journal: nobody is told of the block before it is written."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cicscenario.sandbox.node.errors import INTERNAL_ERROR, JsonRpcError
from cicscenario.sandbox.node.journal import FILE_NAME
from tests.support.reopened_chain import ReopenedChain

_SOME, _LONG = 50, 20_000  # bytes of call data: of a short line in the journal, and of one that fits in no buffer


@contextmanager
def full(world: ReopenedChain, room: int) -> Iterator[None]:
    """Files grow no more than the journal by ``room`` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (world.journal.stat().st_size + room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def send(world: ReopenedChain, size: int) -> None:
    world.send(to="0x" + "11" * 20, gas=2_000_000, data=b"\1" * size)


@pytest.fixture(autouse=True)
def filled(world: ReopenedChain) -> None:
    world.fill(1, count=2)


@pytest.mark.parametrize(("size", "room"), [(_SOME, 0), (_SOME, 100), (_LONG, 0), (_LONG, 100), (_LONG, 15_000)])
def test_a_block_that_is_not_written_is_told_when_it_is(world: ReopenedChain, size: int, room: int) -> None:
    head = world.methods.call("eth_blockNumber", [])
    with full(world, room):
        with pytest.raises(OSError, match="File too large"):
            send(world, size)
        for name in ("eth_blockNumber", "eth_chainId"):
            with pytest.raises(JsonRpcError, match=rf"{FILE_NAME} cannot be written: .*too large") as refused:
                world.methods.call(name, [])
            assert refused.value.code == INTERNAL_ERROR, "one that passes: nothing is said about a transaction"
        with pytest.raises(OSError, match="File too large"):
            world.chain.mine_ready()
    assert int(world.methods.call("eth_blockNumber", []), 16) == int(head, 16) + 1
    send(world, size)
    before = world.seen()
    world.kill()
    world.open()
    assert world.seen() == before


@pytest.mark.parametrize(("size", "room"), [(_SOME, 0), (_SOME, 100), (_LONG, 0), (_LONG, 15_000)])
def test_a_block_that_was_never_written_is_gone_with_its_process(world: ReopenedChain, size: int, room: int) -> None:
    before = world.seen()
    with full(world, room), pytest.raises(OSError, match="File too large"):
        send(world, size)
    with full(world, 0):
        world.chain.close()
    world.open()
    assert world.seen() == before


@pytest.mark.parametrize("size", [_SOME, _LONG])
def test_a_checkpoint_is_never_ahead_of_the_journal(world: ReopenedChain, size: int) -> None:
    """Its own file has room, and the journal has none: then no start could go on from it."""
    world.chain.save()
    saved = world.checkpoint.read_bytes()
    before = world.seen()
    with full(world, 0):
        with pytest.raises(OSError, match="File too large"):
            send(world, size)
        world.chain.save()
    assert world.checkpoint.read_bytes() == saved
    world.kill()
    world.open()
    assert (world.executed, world.seen()) == (0, before)
