"""Opens the chain of an environment file: the node, the signer, the contracts and the gas price."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.contracts import Contracts
from cicscenario.chain.follower import Follower
from cicscenario.chain.keyfile import decrypt
from cicscenario.chain.ledger import Intent, Ledger
from cicscenario.chain.reading import up_to_date
from cicscenario.chain.rpc import Rpc, RpcError, protocol_errors
from cicscenario.chain.signer import Signer
from cicscenario.chain.survey import survey
from cicscenario.errors import InvalidError
from cicscenario.language import ChainEnvironment
from cicscenario.state.store import Store
from cicscenario.transport import StopEvent

#: Some transactions need more gas than the estimated one, such as the first transfer to an account.
_ESTIMATE_MARGIN = 1.5
_PATIENCE_TO_OPEN = 3.0  # seconds for which reads are repeated while the chain is opened
_PATIENCE_WHEN_LIMITED = 30.0  # the same when the node answers that there are too many requests
PATIENCE = 120.0  #: the same once it is open: long enough for a node that restarts, or refuses requests for a minute


@dataclass(frozen=True)
class ChainSession:
    """An open chain. ``gas_price`` is in wei. ``silent`` are the addresses that did not answer, each with what happened."""

    environment: ChainEnvironment
    rpc: Rpc
    signer: Signer
    contracts: Contracts
    chain_id: int
    genesis: str  #: hash of block 0
    gas_price: int
    block_gas_limit: int
    height: int  #: number of the newest block when the chain was opened
    silent: tuple[str, ...] = ()

    def ledger(self, store: Store, *, reconcile: bool = False, stopping: threading.Event | None = None) -> Ledger:
        """The ledger of this chain's signer; enter it before use. For ``reconcile`` and ``stopping`` see Ledger."""
        stop = StopEvent(stopping)
        rpc = self.rpc.again(patience=PATIENCE, stopping=stop)
        follower = Follower(rpc, self.contracts.addresses, self.environment.confirmations)
        window = int(self.block_gas_limit * self.environment.window)
        broadcaster = Broadcaster(
            store, rpc, follower, window=window, batch=self.environment.batch, patience=PATIENCE, stopping=stop
        )
        return Ledger(store, rpc, self.signer, broadcaster, self.gas_price, reconcile=reconcile, stopping=stop)

    def estimate(self, intent: Intent, height: int = 0, stopping: threading.Event | None = None) -> int:
        """A gas limit for transactions like ``intent``. Raises RpcError when ``intent`` would revert.

        A node that lags may not have what the transaction depends on. ``height`` is the newest block that the ledger knows:
        a revert only counts from a node that has it.
        """
        call = {
            "from": to_hex(self.signer.address),
            "to": to_hex(intent.to),
            "data": to_hex(intent.data),
            "value": hex(intent.value),
        }
        (answer,) = self.rpc.results([("eth_estimateGas", [call])])
        if isinstance(answer, RpcError) and answer.is_revert:
            (answer,) = up_to_date(self.rpc, [("eth_estimateGas", [call])], height, stopping)
        if isinstance(answer, RpcError):
            raise answer
        gas = int(answer, 16)
        return min(int(gas * _ESTIMATE_MARGIN), self.block_gas_limit)

    def balance(self) -> int:
        """The signer's native currency, in wei."""
        with protocol_errors(self.rpc):
            return int(self.rpc.call("eth_getBalance", to_hex(self.signer.address), "latest"), 16)


def connect(
    environment: ChainEnvironment, token: str | None, *, stopping: threading.Event | None = None
) -> ChainSession:
    """Opens the chain and finds its contracts; ``token`` is the symbol of the gift token, or None for the default.

    Of several nodes, those that do not answer now are left out. Raises UnavailableError when none answers, when one serves
    another chain, or when a contract does not exist. The open session waits up to PATIENCE for nodes that are down. Every
    wait ends within a second after ``stopping`` is set.
    """
    found = survey(environment, lambda urls: _client(environment, urls, _PATIENCE_TO_OPEN, stopping))
    rpc = _client(environment, found.urls, _PATIENCE_TO_OPEN, stopping)
    from cicscenario.chain.discovery import discover  # not at the top, since it loads web3

    return ChainSession(
        environment=environment,
        rpc=rpc.again(patience=PATIENCE, stopping=stopping),
        signer=Signer(_private_key(environment), found.facts.chain_id),
        contracts=discover(rpc, from_hex(environment.registry), token),
        chain_id=found.facts.chain_id,
        genesis=found.facts.genesis,
        gas_price=found.facts.gas_price if environment.gas_price is None else environment.gas_price,
        block_gas_limit=found.facts.block_gas_limit,
        height=found.facts.height,
        silent=found.silent,
    )


def _client(
    environment: ChainEnvironment, urls: Sequence[str], patience: float, stopping: threading.Event | None
) -> Rpc:
    return Rpc(
        urls,
        batch=environment.batch,
        timeout=environment.timeout,
        patience=patience,
        patience_when_limited=_PATIENCE_WHEN_LIMITED,
        stopping=stopping,
    )


def _private_key(environment: ChainEnvironment) -> bytes:
    signer = environment.signer
    if signer.private_key is not None:
        text = signer.private_key.reveal().strip().removeprefix("0x")
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != 32:
            raise InvalidError("chain.signer.private_key is not 64 hexadecimal digits")
        return key
    assert signer.keyfile is not None  # the language requires one or the other
    assert signer.password is not None
    try:
        blob = signer.keyfile.read_bytes()
    except OSError as error:
        raise InvalidError(f"cannot read chain.signer.keyfile {signer.keyfile}: {error.strerror}") from None
    return decrypt(blob, signer.password.reveal())
