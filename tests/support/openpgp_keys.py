"""Paths of OpenPGP keys for tests."""

from pathlib import Path

#: Made for these tests: ``writer`` has the passphrase, ``bare`` has none, ``expired`` is over.
KEYS = Path(__file__).parent / "keys"
#: Public keys of those who signed what was recorded of a real metadata server.
RECORDED_KEYS = Path(__file__).parent / "recorded_keys"
WRITER = (KEYS / "writer.asc").read_text("ascii")
PASSPHRASE = "sesame"
