"""``python -m cicscenario.sandbox.meta``: runs the metadata server until SIGTERM or SIGINT."""

import sys

from cicscenario.loading import loaded

if __name__ == "__main__":
    sys.exit(loaded("cicscenario.sandbox.meta.program").main())
