"""Both generations of the contracts, on both nodes, do what the stack's own deployment makes them do."""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_abi.abi import encode

from cicscenario.chain.abi import revert_reason, selector, text32, to_hex
from cicscenario.chain.rpc import Rpc, RpcError
from cicscenario.chain.signer import Signer, address_of
from cicscenario.errors import UnavailableError
from cicscenario.sandbox import contracts, nodes
from cicscenario.sandbox.contracts import FAUCET_AMOUNT, SUPPLY, Deployment, deploy
from cicscenario.sandbox.daemon import Daemon
from cicscenario.sandbox.ports import free_port
from tests.support.sandboxes import GENERATIONS, NODES

OWNER_KEY, RUNNER_KEY = secrets.token_bytes(32), secrets.token_bytes(32)
OWNER, RUNNER = address_of(OWNER_KEY), address_of(RUNNER_KEY)


@dataclass(frozen=True)
class Chain:
    rpc: Rpc
    generation: str
    made: Deployment

    def read(self, contract: bytes, function: str, *arguments: object, sender: bytes = RUNNER) -> int:
        """The first word that a call gives; raises RpcError when it reverts."""
        types = function.partition("(")[2].rstrip(")").split(",") if arguments else []
        data = to_hex(selector(function) + encode(types, arguments))
        call = {"to": to_hex(contract), "data": data, "from": to_hex(sender)}
        return int(str(self.rpc.call("eth_call", call, "latest"))[:66], 16)

    def send(self, contract: bytes, function: str, *arguments: object, key: bytes = RUNNER_KEY) -> None:
        batch = contracts._Batch(self.rpc, Signer(key, nodes.CHAIN_ID), {})
        batch.call(contract, function, *arguments)
        batch.settle()


@pytest.fixture(scope="module", params=NODES)
def rpc(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rpc]:
    """A bare node with two rich accounts."""
    folder: Path = tmp_path_factory.mktemp("node")
    port = free_port()
    rpc = Rpc(f"http://127.0.0.1:{port}")
    command = nodes.NODES[request.param](folder / "chain", port, [OWNER, RUNNER])
    daemon = Daemon("node", folder)

    def answers() -> bool:
        try:
            return bool(rpc.call("eth_chainId"))
        except UnavailableError:
            return False

    daemon.start(command.command, command.environment, answers)
    for account in (OWNER, RUNNER):
        nodes.fund(rpc, account)
    yield rpc
    daemon.stop()


@pytest.fixture(scope="module", params=GENERATIONS)
def chain(request: pytest.FixtureRequest, rpc: Rpc) -> Chain:
    return Chain(rpc, request.param, deploy(rpc.url, OWNER_KEY, RUNNER, nodes.CHAIN_ID, request.param))


def somebody() -> bytes:
    return secrets.token_bytes(20)


def test_the_registry_names_the_contracts(chain: Chain) -> None:
    made = chain.made
    named = {
        "ContractRegistry": made.registry,
        "AccountRegistry": made.accounts_index,
        "TokenRegistry": made.token_index,
        "AddressDeclarator": made.address_declarator,
        "Faucet": made.faucet,
        "DefaultToken": made.token,
        "TransferAuthorization": bytes(20),
    }
    assert set(named) == set(contracts.IDENTIFIERS)
    for name, address in named.items():
        found = chain.read(made.registry, "addressOf(bytes32)", text32(name))
        assert found == int.from_bytes(address, "big"), name


def test_the_token_index_finds_both_tokens_by_symbol(chain: Chain) -> None:
    for symbol, token in (("GFT", chain.made.token), ("DET", chain.made.demurrage_token)):
        key = hashlib.sha256(symbol.encode()).digest() if chain.generation == "classic" else text32(symbol)
        assert chain.read(chain.made.token_index, "addressOf(bytes32)", key) == int.from_bytes(token, "big")
        assert chain.read(token, "decimals()") == 6


def test_the_runner_registers_and_a_stranger_does_not(chain: Chain) -> None:
    person = somebody()
    index = chain.made.accounts_index
    with pytest.raises(RpcError, match="revert"):
        chain.read(index, "add(address)", person, sender=somebody())
    assert chain.read(index, "have(address)", person) == 0
    chain.send(index, "add(address)", person)
    assert chain.read(index, "have(address)", person) == 1


def test_the_faucet_pays_a_registered_account_once(chain: Chain) -> None:
    person, made = somebody(), chain.made
    assert chain.read(made.faucet, "tokenAmount()") == FAUCET_AMOUNT == 50_000_000
    with pytest.raises(RpcError, match="revert") as refused:
        chain.read(made.faucet, "giveTo(address)", person)
    assert revert_reason(refused.value.data) == "ERR_ACCOUNT_NOT_IN_INDEX"
    chain.send(made.accounts_index, "add(address)", person)
    chain.send(made.faucet, "giveTo(address)", person)
    assert chain.read(made.token, "balanceOf(address)", person) == FAUCET_AMOUNT
    with pytest.raises(RpcError, match="revert"):
        chain.read(made.faucet, "giveTo(address)", person)


def test_the_faucet_has_tokens_for_more_people_than_there_are(chain: Chain) -> None:
    assert chain.read(chain.made.token, "balanceOf(address)", chain.made.faucet) > 10_000_000_000 * FAUCET_AMOUNT


def test_the_runner_is_rich_and_mints_and_transfers_both_tokens(chain: Chain) -> None:
    for token in (chain.made.token, chain.made.demurrage_token):
        person = somebody()
        assert chain.read(token, "balanceOf(address)", RUNNER) > SUPPLY * 0.99
        chain.send(token, "mintTo(address,uint256)", person, 7_000_000)
        chain.send(token, "transfer(address,uint256)", person, 5_000_000)
        assert abs(chain.read(token, "balanceOf(address)", person) - 12_000_000) <= 2
        with pytest.raises(RpcError, match="revert"):
            chain.read(token, "mintTo(address,uint256)", person, 1, sender=somebody())


def test_the_demurrage_token_loses_two_percent_a_month(chain: Chain) -> None:
    month = 30 * 24 * 60
    left = chain.read(chain.made.demurrage_token, "decayBy(uint256,uint256)", 1_000_000_000, month)
    assert left == pytest.approx(980_000_000, rel=1e-6)
    assert chain.read(chain.made.demurrage_token, "periodDuration()") == month * 60


def test_the_default_token_has_a_declaration(chain: Chain) -> None:
    declarator = chain.made.address_declarator
    assert chain.read(declarator, "declaration(address,address)", OWNER, chain.made.token) == 32, "a list of bytes32"
    assert chain.read(declarator, "declaratorCount(address)", chain.made.token) == 1


def test_a_transaction_that_fails_is_named(chain: Chain) -> None:
    with pytest.raises(UnavailableError, match=r"set\(bytes32,address\) failed, transaction 0x"):
        chain.send(chain.made.registry, "set(bytes32,address)", text32("Faucet"), somebody(), key=OWNER_KEY)


def test_only_the_owner_decides_who_may_register_and_what_the_faucet_pays(chain: Chain) -> None:
    for contract, function, argument in (
        (chain.made.accounts_index, "addWriter(address)", somebody()),
        (chain.made.faucet, "setAmount(uint256)", FAUCET_AMOUNT),
    ):
        chain.send(contract, function, argument, key=OWNER_KEY)
        with pytest.raises(UnavailableError, match="failed, transaction 0x"):
            chain.send(contract, function, argument)


def test_what_is_never_mined_is_named(chain: Chain) -> None:
    batch = contracts._Batch(chain.rpc, Signer(RUNNER_KEY, nodes.CHAIN_ID), {})
    batch._nonce += 1  # leaves a gap, so that the node keeps the transaction waiting
    batch.call(chain.made.accounts_index, "add(address)", somebody())
    with pytest.raises(UnavailableError, match=r"mined 0 of 1 transaction .* add\(address\)"):
        batch.settle(patience=0.2)
    chain.send(chain.made.accounts_index, "add(address)", somebody())  # fills the gap for the tests that follow
