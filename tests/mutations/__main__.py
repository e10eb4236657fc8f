"""Makes every deliberate break in a copy of the project, and says which of them a test has found.

Exit code: 0 when all were found, 1 when one was not found, or cannot be made as it is written.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutations.mutation import PROJECT, Mutation, mutations

_LONG = 900  # seconds
_PARTS = (
    "cicscenario",
    "tests",
    "schemas",
    "scenarios",
    "docs",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
)
_WORDS = {0: "NOT FOUND", 1: "found", None: "found"}  # by exit code; a test that hangs has found the break, too


def _copy(to: Path) -> None:
    for part in _PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, to / part)  # with what is compiled: a file that is changed is newer
        else:
            shutil.copy2(source, to / part)


def run_tests(tests: Sequence[str], mutation: Mutation | None = None) -> tuple[int | None, str]:
    """Runs tests in a copy of the project, with the break. Gives pytest's exit code, None for too long, and its output's end."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        project = Path(folder)
        _copy(project)
        if mutation:
            mutation.make(project)
        environment = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
        command += ["-m", "slow or not slow", *tests]
        try:
            done = subprocess.run(
                command, cwd=project, env=environment, timeout=_LONG, capture_output=True, text=True, check=False
            )
        except subprocess.TimeoutExpired:
            return None, f"still running after {_LONG} seconds"
    return done.returncode, (done.stdout + done.stderr)[-2000:]


def judge(mutation: Mutation) -> str:
    """One word: found, or what is wrong. The tests must pass without the break."""
    if problem := mutation.problem():
        return f"CANNOT BE MADE: {problem}"
    code, said = run_tests(mutation.killed_by, mutation)
    word = _WORDS.get(code, "NOT TRIED")  # any other code means that pytest could not run the tests
    return word if word == "found" else f"{word}: {said}"


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    options.add_argument("subjects", nargs="*", help="names of the YAML files to try; all by default")
    options.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many to try at the same time")
    chosen = options.parse_args()
    wanted = [each for each in mutations() if not chosen.subjects or each.subject in chosen.subjects]
    code, said = run_tests(sorted({test for each in wanted for test in each.killed_by}))
    if code != 0:
        print(f"the tests fail without any break: {said}")
        return 1
    found = 0
    with ThreadPoolExecutor(chosen.processes) as pool:
        for mutation, word in zip(wanted, pool.map(judge, wanted), strict=True):
            found += word == "found"
            print(f"{mutation.subject}: {mutation.fault}: {word}", flush=True)
    print(f"{found} of {len(wanted)} breaks were found")
    return 0 if found == len(wanted) else 1


if __name__ == "__main__":
    raise SystemExit(main())
