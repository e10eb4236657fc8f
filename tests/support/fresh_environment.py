"""A fresh virtual environment with cicscenario, installed from its sources, and more packages."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent


def fresh_environment(place: Path, *packages: Path) -> Path:
    """Makes one in ``place``. Returns the folder of its programs.

    What these packages need is taken from the environment of the tests, which has it already: to install it once more takes a
    minute, and tests/test_readme.py does. What is installed here comes first, so the project's own files are those of a user.
    """
    programs, source = _empty_environment(place), _source_in(place)
    copies = [shutil.copytree(package, place / package.name) for package in packages]
    subprocess.run([programs / "pip", "install", "--quiet", "--no-deps", "--no-compile", source, *copies], check=True)
    [site] = (place / "venv" / "lib").glob("python*/site-packages")
    (site / "of_the_tests.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", "utf-8")
    return programs


def whole_environment(place: Path, *requirements: str) -> Path:
    """Makes one in ``place`` with all that cicscenario and its sandbox need, and ``requirements``, from the package index.

    Nothing of the environment of the tests is in it. This takes about a minute. Returns the folder of its programs.
    """
    programs, source = _empty_environment(place), _source_in(place)
    # Not compiled: the first import of each module does that, of the few that are used.
    subprocess.run(
        [programs / "pip", "install", "--quiet", "--no-compile", f"{source}[sandbox]", *requirements], check=True
    )
    return programs


def _empty_environment(place: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    return place / "venv" / "bin"


def _source_in(place: Path) -> Path:
    """A copy of this project, since building a package leaves traces in its folder."""
    source = place / "source"
    shutil.copytree(_ROOT / "cicscenario", source / "cicscenario", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("schemas", "docs"):
        shutil.copytree(_ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(_ROOT / name, source)
    return source
