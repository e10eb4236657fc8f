"""Decides by itself whether everybody of a run arrived exactly once. It shares no code with the product.

It reads the scenario and the environment file as YAML, the run directory as SQLite and plain files, and asks the services
with its own JSON-RPC, SQL and HTTP. ``python -m tests.oracle SCENARIO ENVIRONMENT DIRECTORY SIGNER`` prints what it found.
"""

from tests.oracle.judge import Verdict, judge
from tests.oracle.world import Baseline, Place, baseline, place_of

__all__ = ["Baseline", "Place", "Verdict", "baseline", "judge", "place_of"]
