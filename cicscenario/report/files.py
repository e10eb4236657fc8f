"""The files people expect in a run directory, written from the state, so that they can always be written again."""

from pathlib import Path

from cicscenario.state.store import Store


def write_transactions(directory: Path, store: Store) -> None:
    """Writes each transaction as ``tx/<hash>``: its raw signed bytes in hexadecimal, without 0x. Skips what is there."""
    folder = directory / "tx"
    folder.mkdir(exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    for row in store.transactions():
        if (name := row.hash.hex()) not in there:
            passing = folder / f".{name}"
            passing.write_text(row.raw.hex(), "ascii")
            passing.rename(folder / name)
