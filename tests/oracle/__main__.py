"""``python -m tests.oracle SCENARIO ENVIRONMENT DIRECTORY SIGNER``: prints the counts and each finding; exits with 1 for any."""

import sys
from pathlib import Path

from tests.oracle import judge, place_of

if __name__ == "__main__":
    scenario, environment, directory, signer = sys.argv[1:]
    verdict = judge(Path(scenario), place_of(Path(environment), signer), Path(directory))
    print("\n".join(verdict.lines()))
    print(verdict)
    sys.exit(0 if verdict.is_clean else 1)
