"""Reads from contracts with web3. This module loads it, which takes half a second: ``chain.discovery`` imports it when needed."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from eth_typing import ABIFunction
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract.contract import ContractFunction, ContractFunctions
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from cicscenario.chain.contractreader import ContractReader
from cicscenario.chain.rpc import Rpc


class RpcProvider(BaseProvider):
    """Sends web3's requests through an Rpc, which repeats reads, ends with the run, and raises its own errors."""

    def __init__(self, rpc: Rpc) -> None:
        super().__init__()
        self._rpc = rpc

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return {"jsonrpc": "2.0", "id": 1, "result": self._rpc.call(method, *params)}


class Web3Reader(ContractReader):
    """The reader of runs."""

    @cached_property
    def _web3(self) -> Web3:
        return Web3(RpcProvider(self._rpc))

    def functions(self, address: bytes, abi: Sequence[ABIFunction]) -> ContractFunctions:
        return self._web3.eth.contract(to_checksum_address(address), abi=abi).functions

    def data(self, call: ContractFunction) -> str:
        data: str = call.w3.eth.contract(abi=[call.abi]).encode_abi(call.abi["name"], call.args)
        return data
