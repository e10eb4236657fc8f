"""JSON-RPC methods on the newest state: balances, code, eth_call, eth_estimateGas."""

from typing import Any

from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.codec import ZERO_ADDRESS, parse_address, parse_data, parse_object, parse_quantity, to_hex
from cicscenario.sandbox.node.errors import EXECUTION_REVERTED, SERVER_ERROR, JsonRpcError
from cicscenario.sandbox.node.evm import ExecutionResult, Message, RejectedError
from cicscenario.sandbox.node.reading import block_number

_ERROR_SELECTOR = bytes.fromhex("08c379a0")  # Error(string)
_PANIC_SELECTOR = bytes.fromhex("4e487b71")  # Panic(uint256)


class StateMethods:
    """The methods; each raises JsonRpcError for a wrong parameter or a block whose state is not kept."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def balance(self, address: Any, tag: Any = "latest") -> str:
        self._require_newest(tag)
        return hex(self._chain.evm.balance(parse_address(address)))

    def nonce(self, address: Any, tag: Any = "latest") -> str:
        self._require_newest(tag)
        account = parse_address(address)
        mined = self._chain.evm.nonce(account)
        return hex(self._chain.pool.next_nonce(account, mined) if tag == "pending" else mined)

    def code(self, address: Any, tag: Any = "latest") -> str:
        self._require_newest(tag)
        return to_hex(self._chain.evm.code(parse_address(address)))

    def storage(self, address: Any, slot: Any, tag: Any = "latest") -> str:
        self._require_newest(tag)
        return f"0x{self._chain.evm.storage(parse_address(address), parse_quantity(slot, 'slot')):064x}"

    def call(self, fields: Any, tag: Any = "latest") -> str:
        self._require_newest(tag)
        return to_hex(self._execute_or_raise(self._message(fields)).output)

    def estimate_gas(self, fields: Any, tag: Any = "latest") -> str:
        """The lowest gas limit with which the message succeeds, by bisection: the gas it uses may be too low a limit."""
        self._require_newest(tag)
        message = self._message(fields)
        used = self._execute_or_raise(message).gas_used
        enough, too_little = message.gas, used - 1
        if self._suffices(message, used):
            return hex(used)
        while enough - too_little > 1:
            middle = min((enough + too_little) // 2, too_little * 2)  # most messages need little more than they use
            if self._suffices(message, middle):
                enough = middle
            else:
                too_little = middle
        return hex(enough)

    def _require_newest(self, tag: Any) -> None:
        """Raises JsonRpcError unless the block tag means the newest block: only its state is kept."""
        head = self._chain.head
        if isinstance(tag, dict):  # EIP-1898
            tag = tag.get("blockNumber", hex(head.number) if tag.get("blockHash") == to_hex(head.hash) else "0x0")
        number = block_number(self._chain, tag)
        if number > head.number:
            raise JsonRpcError.invalid_params(f"block height is {head.number} but requested was {number}")
        if number < head.number:
            message = f"state of block {number} is not kept, only that of the newest, {head.number}: ask for latest"
            raise JsonRpcError(SERVER_ERROR, message)

    def _message(self, fields: Any) -> Message:
        call = parse_object(fields, "call")
        limit = self._chain.genesis.gas_limit
        to, data = call.get("to"), call.get("input", call.get("data")) or "0x"
        return Message(
            sender=parse_address(call.get("from") or ZERO_ADDRESS, "from"),
            to=parse_address(to, "to") if to else None,
            data=parse_data(data, "data"),
            value=parse_quantity(call.get("value") or 0, "value"),
            gas=min(parse_quantity(call.get("gas") or limit, "gas"), limit),
            price=parse_quantity(call.get("gasPrice") or call.get("maxFeePerGas") or 0, "gasPrice"),
        )

    def _execute(self, message: Message) -> ExecutionResult:
        try:
            return self._chain.evm.call(message)
        except RejectedError as error:
            if "LackOfFund" in str(error):
                raise JsonRpcError(SERVER_ERROR, "insufficient funds for gas * price + value") from None
            raise JsonRpcError(SERVER_ERROR, f"the call cannot be made: {error}") from None

    def _execute_or_raise(self, message: Message) -> ExecutionResult:
        """Raises JsonRpcError when the message halts or reverts."""
        result = self._execute(message)
        if result.halt is not None:
            raise JsonRpcError(SERVER_ERROR, f"EVM error: {result.halt}")
        if not result.success:
            raise JsonRpcError(EXECUTION_REVERTED, _revert_message(result.output), to_hex(result.output))
        return result

    def _suffices(self, message: Message, gas: int) -> bool:
        trial = Message(message.sender, message.to, message.data, message.value, gas, message.price)
        try:
            result = self._chain.evm.call(trial)
        except RejectedError:
            return False
        return result.success and result.gas_used <= gas


def _revert_message(output: bytes) -> str:
    """``execution reverted``, with the reason if the contract encoded one as Solidity does."""
    selector, body = output[:4], output[4:]
    if selector not in (_ERROR_SELECTOR, _PANIC_SELECTOR):
        return "execution reverted"
    from eth_abi.abi import decode  # slow to load, and few calls revert with a reason
    from eth_abi.exceptions import DecodingError

    try:
        if selector == _ERROR_SELECTOR:
            return f"execution reverted: {decode(['string'], body)[0]}"
        return f"execution reverted: panic 0x{decode(['uint256'], body)[0]:02x}"
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return "execution reverted"
