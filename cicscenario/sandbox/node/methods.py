"""The table of JSON-RPC methods."""

import inspect
from collections.abc import Callable
from typing import Any

from cicscenario import __version__
from cicscenario.sandbox.node.ahead import Known
from cicscenario.sandbox.node.calling import StateMethods
from cicscenario.sandbox.node.chain import Chain
from cicscenario.sandbox.node.control import ControlMethods
from cicscenario.sandbox.node.errors import METHOD_NOT_FOUND, JsonRpcError
from cicscenario.sandbox.node.filters import LogMethods
from cicscenario.sandbox.node.reading import BlockMethods

Handler = Callable[..., Any]

GAS_PRICE = 10**9  #: wei, the answer of eth_gasPrice; the node accepts any price from 0 up


def _table(chain: Chain, known: Known) -> dict[str, Handler]:
    reading, calling, filters, control = (
        BlockMethods(chain),
        StateMethods(chain),
        LogMethods(chain),
        ControlMethods(chain, known),
    )
    return {
        "web3_clientVersion": lambda: f"cicscenario/{__version__}",
        "net_version": lambda: str(chain.genesis.chain_id),
        "net_listening": lambda: True,
        "eth_chainId": lambda: hex(chain.genesis.chain_id),
        "eth_syncing": lambda: False,
        "eth_accounts": list,
        "eth_gasPrice": lambda: hex(GAS_PRICE),
        "eth_maxPriorityFeePerGas": lambda: hex(GAS_PRICE),
        "eth_feeHistory": reading.fee_history,
        "eth_blockNumber": reading.block_number,
        "eth_getBlockByNumber": reading.block_by_number,
        "eth_getBlockByHash": reading.block_by_hash,
        "eth_getBlockTransactionCountByNumber": reading.count_by_number,
        "eth_getBlockTransactionCountByHash": reading.count_by_hash,
        "eth_getBlockReceipts": reading.block_receipts,
        "eth_getTransactionByHash": reading.transaction,
        "eth_getTransactionByBlockNumberAndIndex": reading.transaction_by_index,
        "eth_getTransactionReceipt": reading.receipt,
        "eth_getBalance": calling.balance,
        "eth_getTransactionCount": calling.nonce,
        "eth_getCode": calling.code,
        "eth_getStorageAt": calling.storage,
        "eth_call": calling.call,
        "eth_estimateGas": calling.estimate_gas,
        "eth_getLogs": filters.logs,
        "eth_newFilter": filters.new_filter,
        "eth_newBlockFilter": filters.new_block_filter,
        "eth_getFilterChanges": filters.changes,
        "eth_getFilterLogs": filters.filter_logs,
        "eth_uninstallFilter": filters.uninstall,
        "eth_sendRawTransaction": control.send_raw,
        "txpool_status": control.pool_status,
        "evm_mine": control.mine,
        "anvil_mine": control.mine_many,
        "evm_snapshot": control.snapshot,
        "evm_revert": control.revert,
        "evm_increaseTime": control.increase_time,
        "evm_setNextBlockTimestamp": control.set_next_timestamp,
    }


class Methods:
    """Calls a method by name, with positional parameters. Raises JsonRpcError.

    ``known`` are transactions that are decoded already; see ``ahead``.
    """

    def __init__(self, chain: Chain, known: Known | None = None) -> None:
        self._chain = chain
        self._handlers = {
            name: (handler, *_arity(handler)) for name, handler in _table(chain, {} if known is None else known).items()
        }

    def call(self, name: str, params: list[Any]) -> Any:
        self._chain.write_out()
        if name not in self._handlers:
            raise JsonRpcError(METHOD_NOT_FOUND, f"the method {name} does not exist")
        handler, least, most = self._handlers[name]
        if not least <= len(params) <= most:
            expected = str(least) if least == most else f"{least} to {most}"
            raise JsonRpcError.invalid_params(f"{name} takes {expected} parameters, not {len(params)}")
        return handler(*params)


def _arity(handler: Handler) -> tuple[int, int]:
    parameters = inspect.signature(handler).parameters.values()
    return sum(parameter.default is parameter.empty for parameter in parameters), len(parameters)
