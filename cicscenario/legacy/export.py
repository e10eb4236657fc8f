"""Writes the data directory of the old data-seeding tools, so that they can continue from a run.

Files have upper-case names and lie two hexadecimal levels deep. ``.master`` in each folder lists its keys as raw bytes in
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
from cicscenario.legacy.lists import UNIT
from cicscenario.people import pointer
from cicscenario.people.person import Person, identified, unidentified

_FILES = Boundary("export.files")  # under another name
_PLACE = Boundary("export.place")
#: ``custom/phone`` holds tags by phone pointer. Only an import by USSD uses it, but the old tools always create it.
_FOLDERS = ("src", "new", "meta", "phone", "custom", "custom/phone", "tx", "keystore", "user_block")


#: Returns the JSON of a person's V3 keystore file, or None.
Keyfile = Callable[[Person], bytes | None]


class _HexFolder:
    """Writes one folder of files by key."""

    def __init__(self, path: Path, open_files: ExitStack) -> None:
        self._path = path
        path.mkdir()
        self._master = open_files.enter_context((path / ".master").open("wb"))

    def put(self, key: bytes, content: bytes, mode: int = 0o644) -> Path:
        """Writes a file with at most the permissions ``mode``, and adds its key to the list. Returns the file's path."""
        name = key.hex().upper()
        path = self._path / name[:2] / name[2:4] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
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
    place.parent.mkdir(parents=True, exist_ok=True)
    passing = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(passing, ignore_errors=True)  # from a killed process with the same id
    passing.mkdir()
    try:
        with _FILES:
            _write(passing, people, transactions, chain_spec, keyfile)
            for file in beside:
                if file.exists():
                    # It copies the mode too, because password hashes are readable by the owner only.
                    shutil.copy(file, passing)
        with _PLACE:
            passing.rename(place)  # replaces an empty folder; fails for anything else
    except BaseException:
        shutil.rmtree(passing, ignore_errors=True)
        raise


def _write(
    root: Path,
    people: Iterable[Person],
    transactions: Iterable[tuple[bytes, bytes]],
    chain: ChainSpec,
    keyfile: Keyfile,
) -> None:
    with ExitStack() as open_files:
        folders = {name: _HexFolder(root / name, open_files) for name in _FOLDERS}
        balances = open_files.enter_context((root / "balances.csv").open("w", encoding="utf-8"))
        tags = open_files.enter_context((root / "tags.csv").open("w", encoding="utf-8"))
        for person in people:
            balances.write(f"{person.old_address.hex()},{person.gift * UNIT}\n")
            tags.write(f"{person.old_address.hex()},{','.join(person.tags)}\n")
            _before(folders, person)
            if person.address:
                _after(root, folders, person, chain)
                if held := keyfile(person):
                    _linked(folders["keystore"].put(person.address, held, mode=0o600))
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
