"""The lock of a signer: one run at a time sends with a key."""

from contextlib import AbstractContextManager

from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession
from cicscenario.state.lock import user_lock


def signer_lock(session: ChainSession) -> AbstractContextManager[None]:
    """Nobody else uses this signer on this chain, from this machine, while it is held."""
    name = f"signer-{session.chain_id}-{session.genesis[2:18]}-{session.signer.address.hex()}.lock"
    return user_lock(name, f"the signer {to_hex(session.signer.address)}")
