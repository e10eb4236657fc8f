"""The lock of a signer, so that only one run at a time sends transactions with its key."""

from contextlib import AbstractContextManager

from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession
from cicscenario.state.lock import user_lock


def signer_lock(session: ChainSession) -> AbstractContextManager[None]:
    """While it is held, no other run of this user on this machine uses this signer on this chain."""
    name = f"signer-{session.chain_id}-{session.genesis[2:18]}-{session.signer.address.hex()}.lock"
    return user_lock(name, f"the signer {to_hex(session.signer.address)}")
