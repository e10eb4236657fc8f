"""A data directory of the old tools with three people, and damage to it."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cicscenario.chainspec import ChainSpec
from cicscenario.people import pointer
from tests.support.old_records import RECORDS

#: Whose records they are, and where the first two were imported to.
OLD = [
    "02ac0f818271e7f2a19bfbcdd0d7aa3a2290caa1",
    "256f767794e85bf1fcb09e04df26be222de0666c",
    "2a78d6bf22a6d0d296895a5e2f53dcb849463569",
]
NEW = ["0xB5Df94FC3b1a7f41d7cA3b63129E91d66Bcc5B04", "0xDc9c18eEd3C6C8b6574F6Ad15bf95202367Cb56E"]
PHONES = ["+254159784771", "+254446186642", "+254948232636"]
ORDER = [2, 0, 1]  # in which they were generated
BLOXBERG = ChainSpec.parse("evm:byzantium:8996:bloxberg")


def place(folder: Path, key: str, suffix: str = "") -> Path:
    name = key.upper().removeprefix("0X")
    path = folder / name[:2] / name[2:4] / f"{name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def source(folder: Path, number: int) -> Path:
    return place(folder / "src", OLD[number])


def old_directory(data: Path) -> Path:
    """Makes a directory as the tools of 2022 left it, in the middle of an import."""
    for number in ORDER:
        path = source(data, number)
        path.write_text(RECORDS[number])
        path.with_name(f"{path.name}.json").symlink_to(f"/elsewhere/{path.name}")  # absolute, and since moved
        place(data / "phone", pointer.phone(PHONES[number]).hex()).write_text(OLD[number])
    for number, new in enumerate(NEW):
        document = json.loads(RECORDS[number])
        document["identities"]["evm"]["byzantium"] = {"8996:bloxberg": [new]}
        place(data / "new", new).write_text(json.dumps(document))
    (data / "src" / ".master").write_bytes(bytes.fromhex("".join(OLD[number] for number in ORDER)))
    (data / "balances.csv").write_text("".join(f"{OLD[n]},{(n + 1) * 11_000_000}\n" for n in ORDER))
    (data / "tags.csv").write_text(f"{OLD[2]},ussd,individual\n{OLD[0]},individual\n")
    return data


def vcard(phone: str) -> str:
    text = f"BEGIN:VCARD\nVERSION:3.0\nFN:A\nN:B;A;;;\nTEL;TYP=CELL:{phone}\nEND:VCARD\n"
    return base64.b64encode(text.encode()).decode()


def edit(path: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / path).write_text(change((folder / path).read_text()))

    return apply


def record(number: int, **changes: Any) -> Callable[[Path], None]:
    """Changes fields of a person's file; None removes one."""

    def apply(folder: Path) -> None:
        document = json.loads(RECORDS[number]) | changes
        source(folder, number).write_text(json.dumps({k: v for k, v in document.items() if v is not None}))

    return apply


def added(path: str, content: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)

    return apply


NAME = "02AC0F818271E7F2A19BFBCDD0D7AA3A2290CAA1"
SRC = f"src/02/AC/{NAME}"
PHONE_POINTER = pointer.phone(PHONES[0]).hex().upper()
PHONE = f"phone/{PHONE_POINTER[:2]}/{PHONE_POINTER[2:4]}/{PHONE_POINTER}"
NEW_0 = f"new/B5/DF/{NEW[0][2:].upper()}"
STRANGER = "11" * 20
