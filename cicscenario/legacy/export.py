"""Writes the data directory of the old data-seeding tools, so that they can continue from a run.

Only their owner can read the files, which are full of personal data. They have upper-case names and lie two hexadecimal
levels deep. ``.master`` in each folder lists its keys as raw bytes in
order of arrival (leveldir's HexDir). The old tools' links are absolute; these are relative, so that the directory can be
moved and packed.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from cicscenario.boundaries import Boundary
from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError
from cicscenario.files import make_folder, making_folder, new_file
from cicscenario.inputs import open_input
from cicscenario.legacy.lists import UNIT
from cicscenario.people import pointer
from cicscenario.people.person import Person, identified, unidentified

_FILES = Boundary("export.files")  # under another name
#: ``custom/phone`` holds tags by phone pointer. Only an import by USSD uses it, but the old tools always create it.
_FOLDERS = ("src", "new", "meta", "phone", "custom", "custom/phone", "tx", "keystore", "user_block")


#: Returns the JSON of a person's V3 keystore file, or None.
Keyfile = Callable[[Person], bytes | None]


class _HexFolder:
    """Writes one folder of files by key."""

    def __init__(self, path: Path, open_files: ExitStack) -> None:
        self._path = path
        make_folder(path)
        self._master = open_files.enter_context(new_file(path / ".master"))

    def put(self, key: bytes, content: bytes) -> Path:
        """Writes a file, and adds its key to the list. Returns the file's path."""
        name = key.hex().upper()
        path = self._path / name[:2] / name[2:4] / name
        make_folder(path.parent)
        with new_file(path) as file:
            file.write(content)
        self._master.write(key)
        return path


def write_datadir(
    target: Path,
    people: Iterable[Person],
    transactions: Iterable[tuple[bytes, bytes]],
    *,
    chain_spec: ChainSpec,
    keyfile: Keyfile = lambda person: None,
    beside: Iterable[Path] = (),
) -> None:
    """Writes the directory ``target`` atomically: after a crash it does not exist. ``transactions`` are (hash, raw).

    ``beside`` are files to copy unchanged, if they exist. Raises InvalidError when ``target`` is not empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidError(f"{target} is not empty, or not a folder", hint="name a new or empty folder")
    place = target.resolve()
    make_folder(place.parent)
    with making_folder(place) as passing, _FILES:
        _write(passing, people, transactions, chain_spec, keyfile)
        for file in beside:
            if file.exists():
                _copy(file, passing / file.name)


def _copy(file: Path, to: Path) -> None:
    with open_input(file, follow=False) as source, new_file(to) as copied:
        shutil.copyfileobj(source, copied)


def _write(
    root: Path,
    people: Iterable[Person],
    transactions: Iterable[tuple[bytes, bytes]],
    chain: ChainSpec,
    keyfile: Keyfile,
) -> None:
    with ExitStack() as open_files:
        folders = {name: _HexFolder(root / name, open_files) for name in _FOLDERS}
        balances = open_files.enter_context(new_file(root / "balances.csv"))
        tags = open_files.enter_context(new_file(root / "tags.csv"))
        for person in people:
            balances.write(f"{person.old_address.hex()},{person.gift * UNIT}\n".encode())
            tags.write(f"{person.old_address.hex()},{','.join(person.tags)}\n".encode())
            _before(folders, person)
            if person.address:
                _after(root, folders, person, chain)
                if held := keyfile(person):
                    _linked(folders["keystore"].put(person.address, held))
        for digest, raw in transactions:
            folders["tx"].put(digest, raw.hex().encode())


def _before(folders: dict[str, _HexFolder], person: Person) -> None:
    """Writes the files that the old tools have before the import of a person."""
    before = unidentified(person.document, person.address) if person.address else person.document
    _linked(folders["src"].put(person.old_address, json.dumps(before).encode()))
    folders["phone"].put(pointer.phone(person.phone), person.old_address.hex().encode())


def _after(root: Path, folders: dict[str, _HexFolder], person: Person, chain: ChainSpec) -> None:
    """Writes the files that the import adds: the document with the new address, and the queues for the metadata import."""
    address = person.account
    document = json.dumps(identified(person.document, chain, address, person.spelled)).encode()
    new = folders["new"].put(address, document)
    (root / "meta" / f"{address.hex()}.json").symlink_to(os.path.relpath(new, root / "meta"))
    _linked(folders["custom"].put(pointer.custom(address), json.dumps({"tags": list(person.tags)}).encode()))


def _linked(path: Path) -> None:
    """Makes the link to a file that the old tools need: the same name with the suffix .json."""
    path.with_name(path.name + ".json").symlink_to(path.name)
