"""The lock of a signer, so that only one run at a time sends transactions with its key."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession
from cicscenario.state.lock import user_lock


@contextmanager
def signer_lock(session: ChainSession) -> Iterator[None]:
    """While it is held, no other run of this user on this machine uses this signer on this chain.

    Runs on copies of the chain that have different names (``chain.copy``) do not exclude each other. Each excludes, and is
    excluded by, one that does not name its copy.
    """
    name = f"signer-{session.chain_id}-{session.genesis[2:18]}-{session.signer.address.hex()}"
    what, copy = f"the signer {to_hex(session.signer.address)}", session.environment.copy
    own = user_lock(f"{name}-{copy}.lock", what) if copy else nullcontext()
    with user_lock(f"{name}.lock", what, shared=copy is not None), own:
        yield
