"""``python -m cicscenario.sandbox.ussd``: runs the phone interface until SIGTERM or SIGINT."""

import sys

from cicscenario.loading import loaded

if __name__ == "__main__":
    sys.exit(loaded("cicscenario.sandbox.ussd.program").main())
