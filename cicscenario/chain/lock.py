"""The lock of a signer: one run at a time sends with a key."""

import os
import tempfile
from pathlib import Path

from cicscenario.chain.abi import to_hex
from cicscenario.chain.session import ChainSession
from cicscenario.state.lock import FileLock


def signer_lock(session: ChainSession) -> FileLock:
    """Nobody else uses this signer on this chain, from this machine, while it is held."""
    shared = Path(tempfile.gettempdir()) / f"cicscenario-{os.getuid()}"
    signer = f"signer-{session.chain_id}-{session.genesis[2:18]}-{session.signer.address.hex()}.lock"
    return FileLock(shared / signer, f"the signer {to_hex(session.signer.address)}")
