"""The two readers of contracts, with web3 and without it, ask for the same."""

import subprocess
import sys

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.chain.contractreader import PlainReader
from cicscenario.chain.discovery import FAUCET_ABI, REGISTRY_ABI, TOKEN_ABI
from cicscenario.chain.rpc import Rpc
from cicscenario.chain.web3reader import Web3Reader

RPC = Rpc("http://127.0.0.1:1", patience=0)
READERS = PlainReader(RPC), Web3Reader(RPC)
ARGUMENTS = {
    "bytes32": st.binary(min_size=32, max_size=32),
    "address": st.integers(0, 2**160 - 1).map(lambda number: to_checksum_address(f"0x{number:040x}")),
}
FUNCTIONS = [(abi, function) for abi in (REGISTRY_ABI, TOKEN_ABI, FAUCET_ABI) for function in abi]


@given(st.sampled_from(FUNCTIONS), st.binary(min_size=20, max_size=20), st.data())
def test_both_make_the_same_calls(chosen: tuple[list, dict], address: bytes, data: st.DataObject) -> None:  # type: ignore[type-arg]
    abi, function = chosen
    arguments = [data.draw(ARGUMENTS[given["type"]]) for given in function["inputs"]]
    plain, web3 = (
        reader._eth_call(getattr(reader.functions(address, abi), function["name"])(*arguments)) for reader in READERS
    )
    assert plain == web3


@pytest.mark.parametrize("module", ["custodial.supervisor", "custodial.worker", "ussd.__main__"])
def test_no_service_of_the_sandbox_loads_web3(module: str) -> None:
    """Each would take longer for it than for all the rest of its start."""
    body = (
        f"import sys, cicscenario.sandbox.{module}\nfrom cicscenario.chain.contractreader import PlainReader\n"
        "from cicscenario.chain.discovery import discover\nfrom cicscenario.chain.rpc import Rpc\n"
        "rpc = Rpc('http://127.0.0.1:1', patience=0)\n"
        "try:\n    discover(rpc, bytes(20), None, PlainReader(rpc))\nexcept Exception as error:\n    print(error)\n"
        "print('web3' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "False", done.stdout
