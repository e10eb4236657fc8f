"""Tasks about tokens and balances, with cic-eth's names. Amounts are in base units."""

import hashlib
from typing import Any

from celery import Celery

from cicscenario.chain.abi import pack, selector, text32, word
from cicscenario.chain.contracts import BALANCE_OF, eth_call
from cicscenario.chain.rpc import RpcError
from cicscenario.sandbox.custodial.context import EngineContext, checksummed
from cicscenario.sandbox.custodial.errors import UnknownContractError
from cicscenario.sandbox.custodial.tasks import Spec, check_chain, normal

_ADDRESS_OF = selector("addressOf(bytes32)")
Tokens = list[dict[str, Any]]


def add_to(app: Celery) -> None:
    """Registers the tasks."""
    context: EngineContext = app.engine_context

    @app.task(name="cic_eth.eth.erc20.default_token")  # type: ignore[untyped-decorator]
    def default_token() -> dict[str, Any]:
        token = context.contracts.token
        return {
            "symbol": token.symbol,
            "address": checksummed(token.address),
            "name": context.token_name,
            "decimals": token.decimals,
        }

    # Its name in cic-eth of 2021.
    app.task(default_token, name="cic_eth.admin.token.default_token")

    @app.task(name="cic_eth.eth.erc20.resolve_tokens_by_symbol")  # type: ignore[untyped-decorator]
    def resolve_tokens_by_symbol(symbols: list[str], spec: Spec) -> Tokens:
        check_chain(context, spec)
        return [{"address": _by_symbol(context, s), "symbol": s, "converters": []} for s in symbols]

    @app.task(name="cic_eth.eth.erc20.balance")  # type: ignore[untyped-decorator]
    def balance(tokens: Tokens, holder: str, spec: Spec) -> Tokens:
        check_chain(context, spec)
        data = pack(BALANCE_OF, bytes.fromhex(normal(holder)))
        answers = context.rpc.calls([eth_call(bytes.fromhex(normal(t["address"])), data) for t in tokens])
        return [token | {"balance_network": word(answer)} for token, answer in zip(tokens, answers, strict=True)]

    _add_queue_balances(app)


def _add_queue_balances(app: Celery) -> None:
    """Registers the tasks about an account's tokens in transactions of the engine's own queue.

    The amounts are always 0: a transfer is mined within a second here, and cic-eth counts a faucet's payout as 0.
    """

    @app.task(name="cic_eth.queue.balance.balance_incoming")  # type: ignore[untyped-decorator]
    def balance_incoming(tokens: Tokens, recipient: str, spec: Spec) -> Tokens:
        return [token | {"balance_incoming": 0} for token in tokens]

    @app.task(name="cic_eth.queue.balance.balance_outgoing")  # type: ignore[untyped-decorator]
    def balance_outgoing(tokens: Tokens, holder: str, spec: Spec) -> Tokens:
        return [token | {"balance_outgoing": 0} for token in tokens]

    @app.task(name="cic_eth.queue.balance.assemble_balances")  # type: ignore[untyped-decorator]
    def assemble_balances(collection: list[Tokens]) -> Tokens:
        merged: dict[str, dict[str, Any]] = {}
        for token in (token for tokens in collection for token in tokens):
            address = normal(token["address"])
            balances = merged.setdefault(address, {"address": address, "converters": token["converters"]})
            balances.update({key: value for key, value in token.items() if key.startswith("balance_")})
        return list(merged.values())


def _by_symbol(context: EngineContext, symbol: str) -> str:
    """A token's address in the token index. The key is the symbol's sha256 (classic) or the symbol itself (latest)."""
    tokens = context.registered("TokenRegistry")
    keys = [hashlib.sha256(symbol.encode()).digest()] + ([text32(symbol)] if len(symbol.encode()) <= 32 else [])
    for answer in context.rpc.results([eth_call(tokens, pack(_ADDRESS_OF, key)) for key in keys]):
        if isinstance(answer, RpcError):
            if not answer.is_revert:
                raise answer
        elif word(answer):
            return checksummed(bytes.fromhex(answer[-40:]))
    raise UnknownContractError(symbol)
