"""Reads from contracts, many calls in one request. It loads eth_abi, which is slow, so only ``chain.discovery`` imports it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from cicscenario.chain.abi import from_hex, selector, to_hex
from cicscenario.chain.rpc import Call, Rpc, RpcError, UnansweredError, protocol_errors
from cicscenario.errors import UnavailableError


@dataclass(frozen=True)
class ViewFunction:
    """A function of a contract that only reads: ``ViewFunction("addressOf(bytes32)", "address")``; one value is returned."""

    signature: str
    returns: str

    def at(self, contract: bytes, *arguments: Any) -> "ViewCall":
        """A call of it at the contract with this address."""
        return ViewCall(self, contract, arguments)


@dataclass(frozen=True)
class ViewCall:
    """A call of a ``ViewFunction``."""

    view: ViewFunction
    contract: bytes
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.view.signature} of the contract {to_hex(self.contract)}"

    def as_call(self) -> Call:
        inputs = self.view.signature.removesuffix(")").partition("(")[2]
        data = selector(self.view.signature) + encode([kind for kind in inputs.split(",") if kind], self.arguments)
        return "eth_call", [{"to": to_hex(self.contract), "data": to_hex(data)}, "latest"]


class ContractReader:
    """Reads from the contracts of one chain, at its newest block.

    A failure to ask raises UnavailableError, which names the node, the contract and the function.
    """

    def __init__(self, rpc: Rpc) -> None:
        self.node = rpc.name
        self._rpc = rpc

    def has_code(self, address: bytes) -> bool:
        """Whether there is a contract at this address."""
        with self._asking(lambda: f"the code of the contract {to_hex(address)}"), protocol_errors(self._rpc):
            return len(from_hex(self._rpc.call("eth_getCode", to_hex(address), "latest"))) > 0

    def values(self, *calls: ViewCall) -> list[Any]:
        """What the calls return, in their order; None where the contract has no such function: it reverts or returns nothing."""
        with self._asking(lambda: ", ".join(dict.fromkeys(map(str, calls)))):
            answers = self._rpc.results([call.as_call() for call in calls])
        return [self._value(call, answer) for call, answer in zip(calls, answers, strict=True)]

    def _value(self, call: ViewCall, answer: Any) -> Any:
        if answer == "0x" or (isinstance(answer, RpcError) and answer.is_revert):
            return None
        kind = call.view.returns
        with self._asking(lambda: str(call)):
            if isinstance(answer, RpcError):
                raise answer
            try:
                return decode([kind], from_hex(answer))[0]
            except (TypeError, ValueError, DecodingError):
                raise UnavailableError(
                    f"{self.node} answers {call} with {answer!r:.80}, which is not of the type {kind}",
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
