"""Opens the chain of an environment file: the node, the signer, the contracts and the gas price."""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cicscenario.chain.abi import from_hex, to_hex
from cicscenario.chain.broadcast import Broadcaster
from cicscenario.chain.contracts import Contracts
from cicscenario.chain.fees import Fees
from cicscenario.chain.follower import Follower
from cicscenario.chain.gaslimit import for_nobody, gas_limit
from cicscenario.chain.gasprice import DynamicFee, GasPrice
from cicscenario.chain.intent import Intent
from cicscenario.chain.keyfile import MAX_FILE_SIZE, decrypt
from cicscenario.chain.ledger import Ledger
from cicscenario.chain.reading import as_numbers, on_this_chain, up_to_date
from cicscenario.chain.review import Recogniser, unrecognised
from cicscenario.chain.rpc import Call, Rpc, RpcError, protocol_errors
from cicscenario.chain.signer import KEY_BYTES, Signer, why_not_a_key
from cicscenario.chain.survey import survey
from cicscenario.chain.wallets import OwnKeys
from cicscenario.errors import InvalidError, reason_of
from cicscenario.inputs import read_input
from cicscenario.language import ChainEnvironment
from cicscenario.state.store import Store
from cicscenario.transport.cancellation import StopEvent
from cicscenario.transport.traffic import Meter

_PATIENCE_TO_OPEN = 3.0  # seconds for which reads are repeated while the chain is opened
_PATIENCE_WHEN_LIMITED = 30.0  # the same when the node answers that there are too many requests
PATIENCE = 120.0  #: the same once it is open: long enough for a node that restarts, or refuses requests for a minute


@dataclass(frozen=True)
class ChainSession:
    """An open chain. ``gas_price`` is the most that is paid, in wei.

    ``silent`` are the addresses that did not answer, each with what happened.
    """

    environment: ChainEnvironment
    rpc: Rpc
    signer: Signer
    contracts: Contracts
    chain_id: int
    genesis: str  #: hash of block 0
    gas_price: int
    block_gas_limit: int
    height: int  #: number of the newest block when the chain was opened
    window: float  #: gas that may be in flight, as a share of the block gas limit
    silent: tuple[str, ...] = ()
    #: wei, of EIP-1559: ``maxPriorityFeePerGas``, and ``gas_price`` is ``maxFeePerGas``; None: transactions are legacy ones
    priority_fee: int | None = None

    @property
    def price(self) -> GasPrice:
        """What transactions are signed with."""
        return self.gas_price if self.priority_fee is None else DynamicFee(self.gas_price, self.priority_fee)

    def ledger(
        self,
        store: Store,
        *,
        recognise: Recogniser = unrecognised,
        used: bool = False,
        undone: Callable[[], None] = lambda: None,
        reconcile: bool = False,
        stopping: threading.Event | None = None,
        own: OwnKeys | None = None,
    ) -> Ledger:
        """The ledger of this chain's signer; enter it before use. For the options see Ledger."""
        stop = StopEvent(stopping)
        rpc = self.rpc.again(patience=PATIENCE, stopping=stop)
        follower = Follower(rpc, self.contracts.addresses, self.environment.confirmations)
        broadcaster = Broadcaster(
            store,
            rpc,
            follower,
            window=int(self.block_gas_limit * self.window),
            batch=self.environment.batch,
            patience=PATIENCE,
            fees=Fees(rpc, self.signer, self.environment.max_gas_price),
            stopping=stop,
        )
        return Ledger(
            store, rpc, self.signer, broadcaster, self.price, recognise=recognise, used=used, undone=undone,
            reconcile=reconcile, stopping=stop, own=own,
        )  # fmt: skip

    def estimate(
        self,
        intent: Intent,
        height: Callable[[], int] = lambda: 0,
        stopping: threading.Event | None = None,
        sender: bytes | None = None,
    ) -> int:
        """A gas limit for transactions like ``intent``, of the run's signer or of ``sender``; see ``chain.gaslimit``.

        Raises RpcError if it would revert. A node that lags may not have what the transaction depends on. ``height`` gives the
        newest block that the ledger knows: a revert only counts from a node that has it.
        """
        other = for_nobody(intent)
        calls = [self._estimate_of(one, sender) for one in (intent, other) if one]
        own, *others = on_this_chain(self.rpc, calls, stopping)
        if isinstance(own, RpcError) and own.is_revert:
            own, *others = up_to_date(self.rpc, calls, height, stopping)
        if isinstance(own, RpcError):
            raise own
        nobodys = next((int(answer, 16) for answer in others if not isinstance(answer, RpcError)), None)
        return min(gas_limit(intent, int(own, 16), nobodys), self.block_gas_limit)

    def estimates(
        self, intents: Sequence[Intent], height: Callable[[], int], stopping: threading.Event | None = None
    ) -> list[int | RpcError]:
        """The gas that each transaction of the run's signer would need if it were mined now, or the node's refusal.

        The node has block ``height``. Raises UnavailableError when it does not catch up.
        """
        calls = [self._estimate_of(intent, None) for intent in intents]
        answers = up_to_date(self.rpc, calls, height, stopping)
        return [answer if isinstance(answer, RpcError) else int(answer, 16) for answer in answers]

    def _estimate_of(self, intent: Intent, sender: bytes | None) -> Call:
        message = {
            "from": to_hex(sender or self.signer.address),
            "to": to_hex(intent.to),
            "data": to_hex(intent.data),
            "value": hex(intent.value),
        }
        return "eth_estimateGas", [message]

    def next_nonce(self) -> int:
        """The signer's next nonce, after those that are pending in the node."""
        return self._number("eth_getTransactionCount", "pending")

    def balance(self) -> int:
        """The signer's native currency, in wei."""
        return self._number("eth_getBalance", "latest")

    def _number(self, method: str, block: str) -> int:
        """What the node says of the signer; only from the chain that the session was opened with."""
        calls: list[Call] = [(method, [to_hex(self.signer.address), block])]
        with protocol_errors(self.rpc):
            return as_numbers(self.rpc, calls, on_this_chain(self.rpc, calls, None))[0]


def connect(
    environment: ChainEnvironment,
    token: str | None,
    *,
    stopping: threading.Event | None = None,
    ca: Path | None = None,
    meter: Meter | None = None,
) -> ChainSession:
    """Opens the chain and finds its contracts; ``token`` is the symbol of the gift token, or None for the default.

    ``ca`` is a PEM file of authorities to trust beside the public ones. Of several nodes, those that do not answer now are
    left out. Raises UnavailableError when none answers, when one serves another chain, or when a contract does not exist.
    The open session waits up to PATIENCE for nodes that are down. Every wait ends within a second after ``stopping`` is set.
    """
    found = survey(environment, lambda urls: _client(environment, urls, stopping, ca, meter))
    rpc = _client(environment, found.urls, stopping, ca, meter)
    rpc.nodes.genesis = found.facts.genesis
    from cicscenario.chain.discovery import discover  # not at the top, since it loads eth_abi

    return ChainSession(
        environment=environment,
        rpc=rpc.again(patience=PATIENCE, stopping=stopping),
        signer=Signer(signer_key(environment), found.facts.chain_id),
        contracts=discover(rpc, from_hex(environment.registry), token),
        chain_id=found.facts.chain_id,
        genesis=found.facts.genesis,
        gas_price=found.facts.gas_price,
        block_gas_limit=found.facts.block_gas_limit,
        height=found.facts.height,
        window=found.window,
        silent=found.silent,
        priority_fee=found.facts.priority_fee,
    )


def _client(
    environment: ChainEnvironment,
    urls: Sequence[str],
    stopping: threading.Event | None,
    ca: Path | None,
    meter: Meter | None,
) -> Rpc:
    return Rpc(
        urls,
        batch=environment.batch,
        timeout=environment.timeout,
        patience=_PATIENCE_TO_OPEN,
        patience_when_limited=_PATIENCE_WHEN_LIMITED,
        stopping=stopping,
        ca=ca,
        meter=meter,
    )


def signer_key(environment: ChainEnvironment) -> bytes:
    """The signer's private key. Raises InvalidError when there is none that can sign; no message shows it."""
    signer = environment.signer
    if signer.private_key is not None:
        return _from_text(signer.private_key.reveal())
    assert signer.keyfile is not None  # the language requires one or the other
    assert signer.password is not None
    password = signer.password.reveal()
    try:
        return decrypt(read_input(signer.keyfile, MAX_FILE_SIZE), password)
    except OSError as error:
        reason = reason_of(error)
        raise InvalidError(
            f"cannot read chain.signer.keyfile {signer.keyfile}: {reason}", hint="name the file of the signer's key"
        ) from None
    except InvalidError as error:
        hint = "are `chain.signer.keyfile` and `chain.signer.password` in the environment file right?"
        raise InvalidError(f"chain.signer.keyfile {signer.keyfile}: {error.message}", hint=hint) from None


def _from_text(text: str) -> bytes:
    """The key in the text of ``chain.signer.private_key``, which no message repeats."""
    digits = text.strip().removeprefix("0x").removeprefix("0X")
    if not re.fullmatch("[0-9a-fA-F]*", digits):
        why: str | None = "is not hexadecimal"
    elif len(digits) != 2 * KEY_BYTES:
        why = f"has {len(digits)} hexadecimal digits, expected {2 * KEY_BYTES}"
    else:
        why = why_not_a_key(bytes.fromhex(digits))
    if why:
        raise InvalidError(f"chain.signer.private_key {why}", hint="it is a number of 64 hexadecimal digits")
    return bytes.fromhex(digits)
