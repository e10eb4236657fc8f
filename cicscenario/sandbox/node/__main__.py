"""``python -m cicscenario.sandbox.node``: runs the embedded node until SIGTERM or SIGINT."""

import sys

from cicscenario.loading import loaded

if __name__ == "__main__":
    sys.exit(loaded("cicscenario.sandbox.node.program").main())
