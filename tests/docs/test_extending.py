"""The page about extensions is the package that a test installs, to the letter."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
PACKAGE = ROOT / "tests" / "plugin_package"
SHOWN = dict(re.findall(r"`([\w./]+)`:\n\n```\w+\n(.*?)```\n", PAGE, re.DOTALL))


def test_every_file_that_is_shown_is_the_packages() -> None:
    for path, text in SHOWN.items():
        assert text == (PACKAGE / path).read_text("utf-8"), path


def test_the_whole_package_is_shown() -> None:
    files = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.*") if path.is_file()}
    files = {file for file in files if not file.endswith(("__init__.py", ".pyc"))}
    assert set(SHOWN) == files
