"""Asks the nodes of an environment, before anything else, which chain they serve. All of them must serve the same one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cicscenario.chain.rpc import Call, Rpc, RpcError, protocol_errors
from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.language import ChainEnvironment
from cicscenario.printable import foreign

_QUESTIONS: list[Call] = [
    ("eth_chainId", []),
    ("eth_getBlockByNumber", ["0x0", False]),
    ("eth_getBlockByNumber", ["latest", False]),
    ("eth_gasPrice", []),
]
#: Blocks whose gas may be in flight: one that is mined, and the next, which is full before the run has seen the first.
_WINDOW = 2.0
#: anvil 1.7.1 loses transactions when a block is full, and the base fee rises after each full block.
_LESS_THAN_A_BLOCK = 0.9


@dataclass(frozen=True)
class NodeFacts:
    """What a node says about its chain.

    ``gas_price`` is what is to be paid, in wei, at most: that of the environment, or what the node suggests.

    ``priority_fee`` is that of EIP-1559, in wei; None when transactions are to be legacy ones.

    ``window`` is the gas that may be in flight, as a share of a block's: that of the environment, or what the chain bears.
    """

    chain_id: int
    genesis: str
    block_gas_limit: int
    gas_price: int
    priority_fee: int | None
    height: int  #: number of its newest block
    window: float


@dataclass(frozen=True)
class NodeSurvey:
    """The chain, the addresses that answer, and for each of the others what happened."""

    facts: NodeFacts
    urls: tuple[str, ...]
    silent: tuple[str, ...]
    window: float  #: the least of the nodes'


def survey(environment: ChainEnvironment, client: Callable[[Sequence[str]], Rpc]) -> NodeSurvey:
    """Asks each node. Raises UnavailableError when none answers, or when they do not all serve the environment's chain.

    ``client`` opens a client of some addresses.
    """
    found: dict[str, NodeFacts] = {}
    names: dict[str, str] = {}
    silent: list[UnavailableError] = []
    for url in environment.rpc:
        rpc = client([url])
        try:
            found[url] = _facts(rpc, environment)
        except UnavailableError as error:
            silent.append(error)
            continue
        names[url] = rpc.name
    if not found:
        raise silent[0] if len(silent) == 1 else _none_answers(silent)
    first = next(iter(found))
    for url, facts in found.items():
        if facts.chain_id != environment.spec.network_id:
            raise UnavailableError(
                f"{names[url]} is chain {facts.chain_id}, but the environment's spec is {environment.spec}",
                hint="check `chain.rpc` and `chain.spec` in the environment file",
            )
        if facts.genesis != found[first].genesis:
            raise UnavailableError(
                f"{names[first]} and {names[url]} serve different chains: their first blocks are {found[first].genesis} and"
                f" {facts.genesis}",
                hint="all nodes of `chain.rpc` in the environment file must serve the same chain",
            )
    window = min(facts.window for facts in found.values())
    return NodeSurvey(found[first], tuple(found), tuple(error.message for error in silent), window)


def _none_answers(silent: Sequence[UnavailableError]) -> UnavailableError:
    lines = "".join(f"\n  {error.message}" for error in silent)
    return UnavailableError(f"none of the {len(silent)} nodes of `chain.rpc` can be used:{lines}", hint=silent[0].hint)


def _facts(rpc: Rpc, environment: ChainEnvironment) -> NodeFacts:
    answers: list[Any] = rpc.results(_QUESTIONS)
    given = (
        None not in (environment.max_fee_per_gas, environment.max_priority_fee_per_gas)
        or environment.gas_price is not None
    )
    for (method, _), answer in zip(_QUESTIONS, answers, strict=True):
        needed = method != "eth_gasPrice" or not given
        if isinstance(answer, RpcError) and needed:
            raise UnavailableError(
                answer.message,
                hint="`chain.rpc` in the environment file must be a node that tells about its chain"
                + (", or set `chain.gas_price`" if method == "eth_gasPrice" else ""),
            ) from answer
    chain_id, genesis, newest, price = answers
    with protocol_errors(rpc):
        base_fee = _number(newest.get("baseFeePerGas"))
        suggested = 0 if isinstance(price, RpcError) else _number(price)
        most, priority = _fees(rpc, environment, suggested, base_fee if newest.get("baseFeePerGas") else None)
        return NodeFacts(
            _number(chain_id),
            foreign(genesis["hash"]).lower(),
            _number(newest["gasLimit"]),
            most,
            priority,
            _number(newest["number"]),
            environment.window or (_LESS_THAN_A_BLOCK if base_fee or _is_anvil(rpc) else _WINDOW),
        )


def _fees(rpc: Rpc, environment: ChainEnvironment, suggested: int, base: int | None) -> tuple[int, int | None]:
    """The most that is to be paid for gas, in wei, and the priority fee of EIP-1559; None for legacy transactions.

    ``suggested`` is the node's gas price: the base fee, and the priority fee that it suggests. ``base`` is the base fee of its
    newest block; None when the chain has none. Raises InvalidError when the environment's fees are not for this chain.
    """
    given, tip, most = environment.gas_price, environment.max_priority_fee_per_gas, environment.max_fee_per_gas
    if given is not None:
        return given, None
    if base is None:
        if tip is not None or most is not None:
            raise _no_dynamic_fee(rpc, environment)
        return suggested, None
    # The fees of a signed transaction cannot be changed. Twice the base fee is enough while six full blocks raise it.
    wanted = max(0, suggested - base) if tip is None else tip
    if most is None:
        return max(suggested, 2 * base + wanted), wanted
    return most, min(wanted, most)


def _no_dynamic_fee(rpc: Rpc, environment: ChainEnvironment) -> InvalidError:
    name = "max_priority_fee_per_gas" if environment.max_fee_per_gas is None else "max_fee_per_gas"
    return InvalidError(
        f"chain.{name} is for transactions of EIP-1559, but the blocks of {rpc.name} have no base fee",
        hint=f"leave out `chain.{name}` in the environment file",
    )


def _is_anvil(rpc: Rpc) -> bool:
    """Whether the node says so. Many do not tell what they are; some refuse a whole batch for this question, so it is alone."""
    try:
        (program,) = rpc.results([("web3_clientVersion", [])])
    except UnavailableError:
        return False
    return isinstance(program, str) and program.startswith("anvil/")


def _number(quantity: Any) -> int:
    return int(quantity or "0x0", 16)
