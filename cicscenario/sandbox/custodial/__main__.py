"""``python -m cicscenario.sandbox.custodial``: runs the custodial engine until SIGTERM or SIGINT."""

import sys

from cicscenario.loading import loaded

if __name__ == "__main__":
    sys.exit(loaded("cicscenario.sandbox.custodial.program").main())
