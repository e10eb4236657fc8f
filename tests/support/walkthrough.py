"""Runs a page of the documentation from top to bottom, as somebody does who types every command of it."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(r"(?:^`(?P<path>[^`\n]+)`:\n\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_EXIT_CODE = re.compile(r"\s+# exit code (\d+)$")
_MARK = "--- block "


@dataclass
class CommandBlock:
    """Commands, and the lines that they must print, in this order; ``...`` stands for any text."""

    commands: list[str]
    expected: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """What is to be done on a page: files to write first, and blocks of commands."""

    files: Mapping[str, str]
    blocks: list[CommandBlock]


def read_page(path: Path) -> Page:
    """A block of the kind ``sh`` has commands, of the kind ``text`` what the last of them prints.

    A block of the kind ``yaml`` or ``csv`` with a path above it is a file. ``# exit code N`` ends a command that does not end
    with 0.
    """
    files: dict[str, str] = {}
    blocks: list[CommandBlock] = []
    for found in _FENCE.finditer(path.read_text("utf-8")):
        if found["kind"] == "sh":
            blocks.append(CommandBlock(found["text"].splitlines()))
        elif found["kind"] == "text" and blocks:
            blocks[-1].expected += found["text"].splitlines()
        elif found["kind"] in ("yaml", "csv") and found["path"]:
            files[found["path"]] = found["text"]
    return Page(files, blocks)


def walk(page: Page, folder: Path, environment: Mapping[str, str], patience: float) -> None:
    """Does all of it in ``folder``. Raises AssertionError at the first command that ends otherwise than the page says."""
    for name, text in page.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    script = "\n".join(
        line
        for number, block in enumerate(page.blocks)
        for line in (f"echo '{_MARK}{number}'", *(part for command in block.commands for part in _checked(command)))
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=patience,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    printed = re.split(rf"^{_MARK}\d+$", done.stdout, flags=re.MULTILINE)[1:]
    for block, text in zip(page.blocks, printed, strict=True):
        for line in unprinted(block.expected, text):
            raise AssertionError(f"{block.commands} do not print: {line}\n{text}")


def unprinted(expected: list[str], text: str) -> list[str]:
    """The expected lines that are in no line of the text. Numbers of blanks do not count."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    patterns = [".*".join(re.escape(part) for part in " ".join(line.split()).split("...")) for line in expected]
    return [
        line for line, pattern in zip(expected, patterns, strict=True) if not any(re.search(pattern, x) for x in lines)
    ]


def _checked(command: str) -> list[str]:
    found = _EXIT_CODE.search(command)
    code = found[1] if found else "0"
    plain = _EXIT_CODE.sub("", command)
    return [plain, f'code=$?; test $code -eq {code} || {{ echo "exit code $code of the command above"; exit 99; }}']
