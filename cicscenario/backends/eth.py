"""Sovereign accounts: every person's key is derived from one secret of the run, and handed out as a V3 keystore file."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from cicscenario.backends.base import BackendContext, Deed, Made
from cicscenario.chain.keyfile import encrypt, write_keyfile
from cicscenario.chain.signer import address_of, derive_key
from cicscenario.errors import StateRefusedError
from cicscenario.files import write_once
from cicscenario.state.store import PersonRow


class EthBackend:
    """The accounts of one run directory. Its ``secret`` and ``keystore.password`` are made once, readable by the owner
    only. The keystore password is the scenario's, or else the run's own.
    """

    def __init__(self, context: BackendContext) -> None:
        directory, keystore = context.directory, context.scenario.backend.keystore
        self._directory = directory
        self._kdf = keystore.kdf
        self._secret = bytes.fromhex(_once(directory / "secret"))
        self._password = ""
        if self._kdf != "none":
            self._password = keystore.password.reveal() if keystore.password else _once(directory / "keystore.password")

    def accounts(self, people: Sequence[PersonRow]) -> Made:
        made = Made()
        for person in people:
            made.add(person.id, address_of(derive_key(self._secret, person.id)))
        return made

    def trouble(self, people: Sequence[PersonRow]) -> dict[int, str]:
        return {}

    def again(self, deed: Deed, people: Sequence[PersonRow]) -> bool:
        return False  # the engine has nothing to do with these accounts

    def close(self) -> None:
        pass

    def write_keyfile(self, person: PersonRow) -> None:
        """Derives the file key (the slow part, without the interpreter's lock) and writes the file, 0600, at once.

        Raises StateRefusedError when the person's account was not made of this secret.
        """
        key = derive_key(self._secret, person.id)
        if (address := address_of(key)) != person.address:
            raise StateRefusedError(
                f"{self._directory / 'secret'} is not the one that the account of person {person.id} was made of",
                hint="restore the secret of this run; without it nobody has the keys of its accounts",
            )
        path = keyfile_path(self._directory, address)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_keyfile(path, encrypt(key, self._password, self._kdf))


def keyfile_path(directory: Path, address: bytes) -> Path:
    """Where the run directory keeps the keystore file of an address."""
    return directory / "keystore" / f"{address.hex()}.json"


def _once(path: Path) -> str:
    """The random secret in ``path``, made at the first call. Linked into place whole: a killed run leaves none by halves."""
    if not path.exists():
        write_once(path, secrets.token_hex(32))
    text = path.read_text("utf-8")
    if len(text) != 64:
        raise StateRefusedError(f"{path} is damaged: expected 64 hexadecimal digits, found {len(text)} characters")
    return text
