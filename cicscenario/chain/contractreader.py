"""Reads from contracts with web3, many calls in one request. This module loads web3, so only ``chain.discovery`` imports it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_typing import ABIFunction
from eth_utils.abi import abi_to_signature, get_abi_output_types
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.chain.rpc import Call, Rpc, RpcError, UnansweredError, protocol_errors
from cicscenario.errors import UnavailableError


def view(signature: str, returns: str) -> ABIFunction:
    """The ABI of a function that only reads, such as ``view("addressOf(bytes32)", "address")``."""
    name, _, inputs = signature.removesuffix(")").partition("(")
    return {
        "type": "function",
        "stateMutability": "view",
        "name": name,
        "inputs": [{"name": "", "type": kind} for kind in inputs.split(",") if kind],
        "outputs": [{"name": "", "type": returns}],
    }


class RpcProvider(BaseProvider):
    """Sends web3's requests through an Rpc, which repeats reads, ends with the run, and raises its own errors."""

    def __init__(self, rpc: Rpc) -> None:
        super().__init__()
        self._rpc = rpc

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return {"jsonrpc": "2.0", "id": 1, "result": self._rpc.call(method, *params)}


class ContractReader:
    """Reads from the contracts of one chain, at its newest block.

    A failure to ask raises UnavailableError, which names the node, the contract and the function.
    """

    def __init__(self, rpc: Rpc) -> None:
        self.node = rpc.name
        self._rpc = rpc

    @cached_property
    def _web3(self) -> Web3:
        return Web3(RpcProvider(self._rpc))

    def contract(self, address: bytes, abi: Sequence[ABIFunction]) -> Contract:
        return self._web3.eth.contract(to_checksum_address(address), abi=abi)

    def has_code(self, address: bytes) -> bool:
        """Whether there is a contract at this address."""
        with self._asking(lambda: f"the code of the contract {to_hex(address)}"), protocol_errors(self._rpc):
            return len(from_hex(self._rpc.call("eth_getCode", to_hex(address), "latest"))) > 0

    def values(self, *calls: ContractFunction) -> list[Any]:
        """What the calls return, in their order; None where the contract has no such function: it reverts or returns nothing."""
        with self._asking(lambda: ", ".join(dict.fromkeys(map(_name, calls)))):
            answers = self._rpc.results([_eth_call(call) for call in calls])
        return [self._value(call, answer) for call, answer in zip(calls, answers, strict=True)]

    def _value(self, call: ContractFunction, answer: Any) -> Any:
        if answer == "0x" or (isinstance(answer, RpcError) and answer.is_revert):
            return None
        (kind,) = get_abi_output_types(call.abi)
        with self._asking(lambda: _name(call)):
            if isinstance(answer, RpcError):
                raise answer
            try:
                return decode([kind], from_hex(answer))[0]
            except (TypeError, ValueError, DecodingError):
                raise UnavailableError(
                    f"{self.node} answers {_name(call)} with {answer!r:.80}, which is not of the type {kind}",
                    hint="check `chain.registry` in the environment file: is it the registry of a CIC stack?",
                ) from None

    @contextmanager
    def _asking(self, what: Callable[[], str]) -> Iterator[None]:
        """Adds what was asked for to the errors of the node."""
        try:
            yield
        except RpcError as error:
            raise UnavailableError(
                f"{self.node} refuses to read {what()}: {error.text}",
                hint="this does not mean that the contract lacks it; run the same command again when the node answers",
            ) from error
        except UnansweredError as error:
            raise UnavailableError(f"{error.message}; it was asked for {what()}", hint=error.hint) from error


def _eth_call(call: ContractFunction) -> Call:
    data = call.w3.eth.contract(abi=[call.abi]).encode_abi(call.abi["name"], call.args)
    return "eth_call", [{"to": call.address.lower(), "data": data}, "latest"]


def _name(call: ContractFunction) -> str:
    return f"{abi_to_signature(call.abi)} of the contract {call.address.lower()}"
