"""The metadata server, but for the time of day: that is what the file DIR/clock says. For the replay of recordings."""

import asyncio
import sys
from pathlib import Path

from cicscenario.sandbox.meta.faults import parse
from cicscenario.sandbox.meta.keys import trusted_keys
from cicscenario.sandbox.meta.operations import Operations
from cicscenario.sandbox.meta.server import MetaServer, serve
from cicscenario.sandbox.meta.signatures import TrustedKeys
from cicscenario.sandbox.meta.store import EntryStore
from cicscenario.sandbox.pace import WorkPace

if __name__ == "__main__":
    folder, port, pace, *switches = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
    faults = parse(switches)
    clock = folder / "clock"
    trust = TrustedKeys(trusted_keys(folder))
    operations = Operations(EntryStore(folder), trust, faults, now=lambda: int(clock.read_text()))
    asyncio.run(serve(MetaServer(operations, faults, WorkPace(pace)), "127.0.0.1", port))
