"""The checkpoint beside the journal: a start goes on from it only when it fits, and tells the same chain with and without it."""

import random
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from cicscenario.errors import StateRefusedError
from cicscenario.sandbox.node import chain as chains
from cicscenario.sandbox.node.chain import Chain, open_chain
from cicscenario.sandbox.node.codec import to_hex
from cicscenario.sandbox.node.errors import JsonRpcError
from cicscenario.sandbox.node.journal import FILE_NAME, Genesis
from cicscenario.sandbox.node.methods import Methods
from tests.support.running_node import CHAIN_ID, GAS_LIMIT, RICH, creation

GENESIS = Genesis(CHAIN_ID, GAS_LIMIT, 1_700_000_000, {RICH.address.lower(): 10**24})
# SSTORE(CALLDATALOAD(0), CALLDATALOAD(32)); LOG1 of 32 bytes of memory, with the slot as its topic
KEEPER = bytes.fromhex("602035600035556000356020600" + "0a100")


class World:
    """A chain in a folder, opened again and again, and how often transactions were executed since the last opening."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.executed = 0
        self._nonce = 0
        execute = Chain._execute

        def counted(chain: Chain, *arguments: Any) -> Any:
            self.executed += 1
            return execute(chain, *arguments)

        monkeypatch.setattr(Chain, "_execute", counted)
        self.open()

    def open(self) -> None:
        self.executed = 0
        self.chain = open_chain(self.folder, GENESIS)
        self.methods = Methods(self.chain)

    def kill(self) -> None:
        """Ends the chain as SIGKILL does: without a checkpoint."""
        self.chain._journal.close()

    def again(self) -> None:
        self.chain.close()
        self.open()

    @property
    def journal(self) -> Path:
        return self.folder / FILE_NAME

    @property
    def checkpoint(self) -> Path:
        return self.folder / "chain.checkpoint"

    def send(self, **fields: Any) -> None:
        defaults = {"chainId": CHAIN_ID, "gas": 200_000, "gasPrice": 10**9, "value": 0, "nonce": self._nonce}
        self.methods.call("eth_sendRawTransaction", [to_hex(RICH.sign_transaction(defaults | fields).raw_transaction)])
        self._nonce += 1
        self.chain.mine_ready()

    def fill(self, seed: int, count: int = 12) -> None:
        """A contract, values set, changed and cleared in it, transfers to new accounts, and what fails."""
        chance = random.Random(seed)
        self.send(data=creation(KEEPER))
        contract = self.methods.call("eth_getBlockReceipts", ["latest"])[0]["contractAddress"]
        for _ in range(count):
            slot, value = chance.randrange(4), chance.choice([0, 1, 2**255])
            self.send(to=to_checksum_address(contract), data=slot.to_bytes(32) + value.to_bytes(32))
            self.send(to=to_checksum_address(to_hex(chance.randbytes(20))), value=chance.randrange(10**18))
        self.send(data=bytes.fromhex("60006000fd"))

    def seen(self) -> list[Any]:
        """All that a client can see of blocks and logs, and the state that they led to."""
        call = self.methods.call
        head = int(call("eth_blockNumber", []), 16)
        blocks = [call("eth_getBlockByNumber", [hex(number), True]) for number in range(head + 1)]
        receipts = [receipt for block in blocks for receipt in call("eth_getBlockReceipts", [block["number"]])]
        made = [receipt["contractAddress"] for receipt in receipts if receipt["contractAddress"]]
        known = {RICH.address, "0x" + "00" * 20, *made, *(receipt["to"] for receipt in receipts if receipt["to"])}
        state = [
            [call(f"eth_get{what}", [one]) for what in ("Balance", "TransactionCount", "Code")] for one in sorted(known)
        ]
        slots = [call("eth_getStorageAt", [one, hex(slot)]) for one in made for slot in range(4)]
        singly = [
            [call(f"eth_getTransaction{what}", [receipt["transactionHash"]]) for what in ("ByHash", "Receipt")]
            for receipt in receipts
        ]
        hashed = [call("eth_getBlockByHash", [block["hash"]]) for block in blocks]
        return [blocks, receipts, state, slots, singly, hashed, call("eth_getLogs", [{"fromBlock": "0x0"}])]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("cicscenario.sandbox.node.history._IN_MEMORY", 3)  # so that nearly all blocks are read back
    made = World(tmp_path / "chain", monkeypatch)
    yield made
    made.kill()


@pytest.mark.parametrize("seed", range(3))
def test_a_start_executes_only_what_came_after_it(world: World, seed: int) -> None:
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
def test_the_chain_goes_on_from_it_as_from_all_blocks(world: World, tmp_path: Path, seed: int) -> None:
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


def cut(world: World) -> None:
    world.checkpoint.write_bytes(world.checkpoint.read_bytes()[:-1])


def flip(world: World) -> None:
    data = bytearray(world.checkpoint.read_bytes())
    data[-1] ^= 1
    world.checkpoint.write_bytes(data)


def other_format(world: World) -> None:
    world.checkpoint.write_bytes(world.checkpoint.read_bytes().replace(b", 1\n", b", 2\n", 1))


def empty(world: World) -> None:
    """What a power cut may leave of a file that was renamed before its content was on the disk."""
    world.checkpoint.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, other_format, empty, lambda world: world.checkpoint.unlink()])
def test_without_one_that_is_whole_all_is_executed(world: World, damage: Callable[[World], None]) -> None:
    world.fill(1)
    before = world.seen()
    world.chain.close()
    damage(world)
    world.open()
    assert (world.executed, world.seen()) == (26, before)


def test_it_does_not_fit_a_journal_that_was_cut_or_changed_before_it(world: World) -> None:
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


def test_blocks_that_were_reverted_after_it_do_not_come_back(world: World) -> None:
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


def test_a_journal_of_an_earlier_version_is_read_and_gone_on_with(world: World) -> None:
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


def test_results_that_executing_does_not_give_are_not_believed(world: World) -> None:
    world.fill(1)
    before = world.seen()
    world.kill()
    world.journal.write_bytes(world.journal.read_bytes().replace(b",1,21000,", b",1,21001,"))
    world.open()
    assert world.seen() == before


def test_a_block_whose_line_is_changed_behind_the_chains_back_is_not_told(world: World) -> None:
    world.fill(1)
    text = world.journal.read_bytes()
    world.journal.write_bytes(text.replace(b",1,21000,", b",1,21001,"))
    with pytest.raises(JsonRpcError, match=r"block \d+ cannot be read back: .*chain\.jsonl was changed"):
        world.seen()
    world.journal.write_bytes(text)


def test_it_is_written_while_the_chain_grows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "_BETWEEN_CHECKPOINTS", 5)
    world.fill(1, count=20)
    before = world.seen()
    world.kill()
    world.open()
    assert 0 < world.executed <= 42 / 2
    assert world.seen() == before


def test_a_full_disk_costs_the_checkpoint_only(world: World, capsys: pytest.CaptureFixture[str]) -> None:
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
