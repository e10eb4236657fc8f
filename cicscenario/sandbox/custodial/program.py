"""``python -m cicscenario.sandbox.custodial``: runs the custodial engine until SIGTERM or SIGINT."""

import logging
import sys

from cicscenario.sandbox.custodial.settings import read_settings
from cicscenario.sandbox.custodial.supervisor import supervise
from cicscenario.sandbox.process import exit_code_of


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="engine: %(levelname)s %(name)s: %(message)s")
    return exit_code_of(lambda: supervise(read_settings(sys.argv[1:])), held=False)
