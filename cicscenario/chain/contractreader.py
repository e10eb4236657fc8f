"""Reads from contracts, many calls in one request. Who makes the calls is a reader of its own: with web3, or without it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_typing import ABIFunction
from eth_utils.abi import abi_to_signature, get_abi_input_types, get_abi_output_types

from cicscenario.chain.abi import from_hex, selector, to_hex
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


class ReadCall(Protocol):
    """A call of a function that only reads; ``address`` is the contract's, hexadecimal with 0x."""

    abi: Any
    address: Any
    args: Any


class ContractReader(ABC):
    """Reads from the contracts of one chain, at its newest block.

    A failure to ask raises UnavailableError, which names the node, the contract and the function.
    """

    def __init__(self, rpc: Rpc) -> None:
        self.node = rpc.name
        self._rpc = rpc

    @abstractmethod
    def functions(self, address: bytes, abi: Sequence[ABIFunction]) -> Any:
        """The functions of a contract as attributes, each of which makes a call of its arguments."""

    @abstractmethod
    def data(self, call: Any) -> str:
        """The call's data, hexadecimal with 0x."""

    def has_code(self, address: bytes) -> bool:
        """Whether there is a contract at this address."""
        with self._asking(lambda: f"the code of the contract {to_hex(address)}"), protocol_errors(self._rpc):
            return len(from_hex(self._rpc.call("eth_getCode", to_hex(address), "latest"))) > 0

    def values(self, *calls: ReadCall) -> list[Any]:
        """What the calls return, in their order; None where the contract has no such function: it reverts or returns nothing."""
        with self._asking(lambda: ", ".join(dict.fromkeys(map(_name, calls)))):
            answers = self._rpc.results([self._eth_call(call) for call in calls])
        return [self._value(call, answer) for call, answer in zip(calls, answers, strict=True)]

    def _eth_call(self, call: ReadCall) -> Call:
        return "eth_call", [{"to": call.address.lower(), "data": self.data(call)}, "latest"]

    def _value(self, call: ReadCall, answer: Any) -> Any:
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


class _PlainCall:
    def __init__(self, abi: ABIFunction, address: str, args: tuple[Any, ...]) -> None:
        self.abi, self.address, self.args = abi, address, args


class _PlainFunctions:
    def __init__(self, address: bytes, abi: Sequence[ABIFunction]) -> None:
        self._address = to_hex(address)
        self._abi = {function["name"]: function for function in abi}

    def __getattr__(self, name: str) -> Callable[..., _PlainCall]:
        return lambda *arguments: _PlainCall(self._abi[name], self._address, arguments)


class PlainReader(ContractReader):
    """A reader for the sandbox's services, each of which would take longer to load web3 than for all the rest of its start."""

    def functions(self, address: bytes, abi: Sequence[ABIFunction]) -> _PlainFunctions:
        return _PlainFunctions(address, abi)

    def data(self, call: _PlainCall) -> str:
        return to_hex(selector(abi_to_signature(call.abi)) + encode(get_abi_input_types(call.abi), call.args))


def _name(call: ReadCall) -> str:
    return f"{abi_to_signature(call.abi)} of the contract {call.address.lower()}"
