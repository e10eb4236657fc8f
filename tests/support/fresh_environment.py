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
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    programs = place / "venv" / "bin"
    source = place / "source"  # copies, since building a package leaves traces in its folder
    shutil.copytree(_ROOT / "cicscenario", source / "cicscenario", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("schemas", "docs"):
        shutil.copytree(_ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(_ROOT / name, source)
    copies = [shutil.copytree(package, place / package.name) for package in packages]
    subprocess.run([programs / "pip", "install", "--quiet", "--no-deps", "--no-compile", source, *copies], check=True)
    [site] = (place / "venv" / "lib").glob("python*/site-packages")
    (site / "of_the_tests.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", "utf-8")
    return programs
