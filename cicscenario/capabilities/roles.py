"""Whether the signer has the role that a step's transactions need."""

from typing import Any

from cicscenario.capabilities.cost import Need
from cicscenario.chain.contracts import eth_call
from cicscenario.chain.rpc import RpcError
from cicscenario.chain.session import ChainSession

#: An address without an account, as the argument of simulated calls.
PROBE_ADDRESS = (0xC1C).to_bytes(20, "big")


def role(session: ChainSession, what: str, to: bytes, data: bytes, hint: str) -> Need:
    """Whether the signer may make a contract call, found by simulating it (eth_call).

    Only a revert says no. Raises UnavailableError, or the RpcError of a node that refuses the call itself.
    """
    answer: Any = session.rpc.results([eth_call(to, data, session.signer.address)])[0]
    ok = not isinstance(answer, RpcError)
    if isinstance(answer, RpcError) and not answer.is_revert:
        raise answer
    return Need(f"may {what}", "yes", "yes" if ok else "no", ok, hint)
