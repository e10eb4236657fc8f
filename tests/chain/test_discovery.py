"""Finding the contracts: what a node refuses to tell is never taken for absent."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from cicscenario.chain.abi import selector
from cicscenario.chain.contracts import CHECK, COOLDOWN, Contracts
from cicscenario.chain.discovery import discover
from cicscenario.chain.rpc import Rpc, RpcError
from cicscenario.errors import UnavailableError
from tests.support.fake_chain import ACCOUNTS, GFT, INDEX, REGISTRY, FakeChain
from tests.support.rude_node import Rudeness, RudeNode, answer_with, refuse, replace, status

ROOT = Path(__file__).parent.parent.parent
FAUCET = b"\xa6" * 20
LEVEL = -(2**44)  # ln of the factor for a minute, 64.64 fixed point
REQUIRED = {
    "addressOf(bytes32)": REGISTRY,
    "decimals()": GFT,
    "token()": FAUCET,
    "tokenAmount()": FAUCET,
}
OPTIONAL = {
    "symbol()": GFT,
    "demurrageAmount()": GFT,
    "taxLevel()": GFT,
    "decayLevel()": GFT,
    "cooldown(address)": FAUCET,
}
FUNCTIONS = REQUIRED | OPTIONAL

REFUSALS: dict[str, dict[str, Any]] = {
    "rate limit": {"code": -32005, "message": "limit exceeded"},
    "internal error": {"code": -32603, "message": "Internal error"},
    "timeout": {"code": -32000, "message": "execution aborted (timeout = 5s)"},
    "no state": {"code": -32000, "message": "missing trie node 5d17 (path )"},
    "gas cap": {"code": -32000, "message": "out of gas"},
    "no error at all": {},
}
REVERTS: dict[str, dict[str, Any]] = {
    "geth": {"code": 3, "message": "execution reverted", "data": "0x"},
    "older geth": {"code": -32000, "message": "execution reverted"},
    "invalid instruction": {"code": -32000, "message": "invalid opcode: INVALID"},
    "OpenEthereum": {"code": -32015, "message": "VM execution error.", "data": "Reverted 0x"},
    "OpenEthereum, invalid": {"code": -32015, "message": "VM execution error.", "data": "Bad instruction fe"},
    "Hardhat": {"code": -32603, "message": "Error: VM Exception while processing transaction: reverted with panic"},
    "anvil": {"code": -32000, "message": "EVM error InvalidFEOpcode"},
}


class ChainOfBothGenerations(FakeChain):
    """A token that shrinks and a faucet; they have the functions of both generations."""

    def _call(self, to: bytes, function: bytes, argument: bytes) -> bytes | None:
        more: dict[tuple[bytes, bytes], bytes] = {
            (REGISTRY, selector("addressOf(bytes32)") + b"Faucet".ljust(32, b"\0")): FAUCET.rjust(32, b"\0"),
            (GFT, selector("demurrageAmount()")): encode(["uint128"], [2**64]),
            (GFT, selector("taxLevel()")): encode(["int128"], [LEVEL]),
            (GFT, selector("decayLevel()")): encode(["int128"], [LEVEL]),
            (FAUCET, selector("token()")): GFT.rjust(32, b"\0"),
            (FAUCET, selector("tokenAmount()")): encode(["uint256"], [5_000_000]),
            (FAUCET, selector("cooldown(address)") + argument): bytes(32),
        }
        return more.get((to, function + argument)) or super()._call(to, function, argument)


@pytest.fixture(scope="module")
def chain() -> Iterator[FakeChain]:
    with ChainOfBothGenerations() as chain:
        yield chain


@pytest.fixture
def node(chain: FakeChain) -> Iterator[RudeNode]:
    with RudeNode(chain.url) as node:
        yield node


def found(node: RudeNode, rude: Rudeness | None = None, symbol: str | None = None, patience: float = 0) -> Contracts:
    node.rude = rude
    return discover(Rpc(node.url, patience=patience), REGISTRY, symbol)


def failure(node: RudeNode, rude: Rudeness, symbol: str | None = None) -> UnavailableError:
    with pytest.raises(UnavailableError) as raised:
        found(node, rude, symbol)
    return raised.value


def test_everything_is_found_in_four_requests(node: RudeNode) -> None:
    contracts = found(node)
    assert len(node.seen) == 4
    assert (contracts.registry, contracts.accounts_index) == (REGISTRY, ACCOUNTS)
    assert (contracts.token.address, contracts.token.symbol, contracts.token.decimals) == (GFT, "GFT", 6)
    assert contracts.token.decay == pytest.approx(1 - 2**-20)
    assert contracts.faucet
    assert (contracts.faucet.address, contracts.faucet.token) == (FAUCET, contracts.token)
    assert (contracts.faucet.amount, contracts.faucet.probe) == (5_000_000, COOLDOWN)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_call_that_is_refused_names_node_contract_and_function(node: RudeNode, function: str, refusal: str) -> None:
    error = failure(node, refuse(selector(function), REFUSALS[refusal]))
    assert f"{node.url} refuses to read {function} of the contract 0x{FUNCTIONS[function].hex()}" in error.message
    assert REFUSALS[refusal].get("message", "") in error.message
    assert error.hint


@pytest.mark.parametrize("name", ["AccountRegistry", "DefaultToken", "Faucet"])
def test_a_name_that_is_refused_is_not_absent_from_the_registry(node: RudeNode, name: str) -> None:
    key = selector("addressOf(bytes32)") + name.encode()
    assert "refuses to read addressOf" in failure(node, refuse(key, REFUSALS["internal error"])).message


def test_a_symbol_that_is_refused_is_not_absent_from_the_index(node: RudeNode) -> None:
    error = failure(node, refuse(selector("addressOf(bytes32)") + b"DET", REFUSALS["internal error"]), "DET")
    assert f"addressOf(bytes32) of the contract 0x{INDEX.hex()}" in error.message


@pytest.mark.parametrize("refusal", REFUSALS)
def test_code_that_is_refused_is_not_absent(node: RudeNode, refusal: str) -> None:
    rude = replace(lambda call: call["method"] == "eth_getCode", {"error": REFUSALS[refusal]})
    assert f"refuses to read the code of the contract 0x{REGISTRY.hex()}" in failure(node, rude).message


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_node_that_does_not_answer_is_named_with_what_it_was_asked_for(node: RudeNode, function: str) -> None:
    def silent(handler: Any, body: bytes) -> bool:
        return selector(function).hex().encode() in body and status(502)(handler, body)

    error = failure(node, silent)
    assert f"{node.url} answers with HTTP 502" in error.message
    assert f"{function} of the contract 0x{FUNCTIONS[function].hex()}" in error.message


@pytest.mark.parametrize("result", [None, "0x01", 1, [], "yes"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_answer_of_another_type_is_no_answer(node: RudeNode, function: str, result: Any) -> None:
    error = failure(node, answer_with(selector(function), result))
    assert f"{function} of the contract 0x{FUNCTIONS[function].hex()}" in error.message
    assert f"answers eth_call with {result!r}" in error.message or f"with {result!r}" in error.message


@pytest.mark.parametrize("result", [None, {}, [], "yes"])
def test_code_of_another_type_is_no_answer(node: RudeNode, result: Any) -> None:
    rude = replace(lambda call: call["method"] == "eth_getCode", {"result": result})
    assert f"is not a working Ethereum node: it answers eth_getCode with {result!r}" in failure(node, rude).message


@pytest.mark.parametrize("revert", [*REVERTS, "nothing"])
def test_a_function_is_absent_when_its_call_reverts_or_returns_nothing(node: RudeNode, revert: str) -> None:
    def absent(function: str) -> Contracts:
        if revert == "nothing":
            return found(node, answer_with(selector(function), "0x"))
        return found(node, refuse(selector(function), REVERTS[revert]))

    assert absent("symbol()").token.symbol == "?"
    assert absent("demurrageAmount()").token.decay is None
    assert absent("taxLevel()").token.decay == absent("decayLevel()").token.decay == pytest.approx(1 - 2**-20)
    faucet = absent("cooldown(address)").faucet
    assert faucet
    assert faucet.probe == CHECK
    with pytest.raises(UnavailableError, match=r"is not a token: it has no decimals\(\)"):
        absent("decimals()")
    with pytest.raises(UnavailableError, match="does not say what it pays out"):
        absent("tokenAmount()")
    with pytest.raises(UnavailableError, match="names no AccountRegistry"):
        absent("addressOf(bytes32)")


def test_a_refusal_for_a_moment_is_sat_out(node: RudeNode) -> None:
    def rude(handler: Any, body: bytes) -> bool:
        refused = refuse(selector("demurrageAmount()"), REFUSALS["rate limit"])
        return len(node.seen) < 5 and refused(handler, body)

    assert found(node, rude, patience=3).token.decay is not None


def test_a_symbol_need_not_be_utf8(node: RudeNode) -> None:
    result = "0x" + encode(["bytes"], [b"G\xffT"]).hex()
    assert found(node, answer_with(selector("symbol()"), result)).token.symbol == "G\N{REPLACEMENT CHARACTER}T"


def test_a_limit_that_speaks_of_reverts_is_no_revert() -> None:
    error = RpcError("eth_call", "node", {"code": -32005, "message": "too many reverted calls: rate limit"})
    assert not error.is_revert


# --- web3 is never loaded --------------------------------------------------------------------------------------------

_RUN = """
import sys
import cicscenario.chain.discovery
from cicscenario.cli.app import main
sys.argv[0] = "cicscenario"
try:
    main()
finally:
    print("web3 is loaded:", "web3" in sys.modules)
"""


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["run", "--help"],
        ["explain", "gift.token"],
        ["validate", "scenarios/eth-100.yaml"],
        ["plan", "scenarios/eth-100.yaml"],
    ],
    ids=" ".join,
)
def test_web3_is_not_loaded(command: list[str], tmp_path: Path) -> None:
    """It takes a second and 20 MiB."""
    ran = subprocess.run(
        [sys.executable, "-c", _RUN, *command],
        env={"CICSCENARIO_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("web3 is loaded: False\n")
