"""``python -m cicscenario.sandbox.custodial``: the custodial engine."""

import logging
import sys

from cicscenario.errors import CicScenarioError
from cicscenario.sandbox.custodial.settings import read_settings
from cicscenario.sandbox.custodial.supervisor import supervise


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="engine: %(levelname)s %(name)s: %(message)s")
    try:
        return supervise(read_settings(sys.argv[1:]))
    except CicScenarioError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
