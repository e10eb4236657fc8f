"""Tasks that describe tokens and check who vouches for them, with cic-eth's names, arguments, results and errors."""

import hashlib
from collections.abc import Sequence
from typing import Any

from celery import Celery, Task

from cicscenario.chain.abi import from_hex, pack, selector, word
from cicscenario.chain.contracts import eth_call
from cicscenario.chain.signer import address_of
from cicscenario.people.person import checksum
from cicscenario.sandbox.custodial import names
from cicscenario.sandbox.custodial.context import EngineContext, text_of
from cicscenario.sandbox.custodial.errors import TrustError
from cicscenario.sandbox.custodial.tasks import Spec, check_chain, normal
from cicscenario.sandbox.custodial.token_tasks import Tokens
from cicscenario.sandbox.custodial.transaction_tasks import child

_PROPERTIES = [selector(f"{name}()") for name in ("name", "symbol", "decimals")]
_DECLARATION = selector("declaration(address,address)")


def add_to(app: Celery) -> None:
    """Registers the tasks."""
    context: EngineContext = app.engine_context
    _add_descriptions(app, context)
    _add_proofs(app, context)


def _add_descriptions(app: Celery, context: EngineContext) -> None:
    @app.task(name="cic_eth.eth.erc20.token_info")  # type: ignore[untyped-decorator]
    def token_info(tokens: Tokens, spec: Spec, proofs: Sequence[Sequence[str]] = ()) -> Tokens:
        """Name, symbol and decimals of each token. Its proofs are the symbol's hash and, after it, those of the caller."""
        check_chain(context, spec)
        described = []
        for number, token in enumerate(tokens):
            address = bytes.fromhex(normal(token["address"]))
            name, symbol, decimals = context.rpc.calls([eth_call(address, each) for each in _PROPERTIES])
            proof = hashlib.sha256(text_of(symbol).upper().encode()).hexdigest()
            described.append(
                {
                    "decimals": word(decimals),
                    "name": text_of(name),
                    "symbol": text_of(symbol),
                    "address": address.hex(),
                    "proofs": [proof, *(proofs[number] if proofs else ())],
                    "converters": token["converters"],
                }
            )
        return described

    @app.task(name="cic_eth.eth.erc20.verify_token_info", bind=True)  # type: ignore[untyped-decorator]
    def verify_token_info(
        self: Task, tokens: Tokens, spec: Spec, success: dict[str, Any] | None, failure: dict[str, Any] | None
    ) -> Tokens:
        """Has the proofs of each token checked by a task of its own, whose result goes to one of the callbacks."""
        for token in tokens:
            check = child(self, names.VERIFY_PROOFS, token, token["address"], token["proofs"], spec, success, failure)
            if success is not None:
                check.link(app.signature(success))
            if failure is not None:
                check.on_error(app.signature(failure))
            check.apply_async()
        return tokens


def _add_proofs(app: Celery, context: EngineContext) -> None:
    trusted = address_of(context.settings.owner_key)  # the one that declared the sandbox's tokens

    @app.task(name=names.VERIFY_PROOFS)  # type: ignore[untyped-decorator]
    def verify_proofs(
        chained: Any, subject: str, proofs: Sequence[str], spec: Spec, success: Any = None, failure: Any = None
    ) -> tuple[Any, dict[str, list[str]]]:
        """Which trusted address declared each proof for ``subject``. Raises TrustError for a proof that none declared."""
        check_chain(context, spec)
        call = eth_call(
            context.registered("AddressDeclarator"), pack(_DECLARATION, trusted, bytes.fromhex(normal(subject)))
        )
        declared = _words(context.rpc.call(call[0], *call[1]))
        found = {proof.removeprefix("0x"): [checksum(trusted)] for proof in proofs}
        for proof in found:
            if proof not in declared:
                raise TrustError((subject, proof))
        return chained, found


def _words(answer: str) -> set[str]:
    """The 32-byte values of an ABI array, as hexadecimal."""
    raw = from_hex(answer)
    count = int.from_bytes(raw[32:64], "big")
    return {raw[64 + 32 * n : 96 + 32 * n].hex() for n in range(count)}
