"""Tables of people for tests, as a spreadsheet would export them."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

HEAD = ("phone", "name", "gender", "place", "balance", "language", "tags", "pin")


def phone(number: int) -> str:
    """The phone number of person ``number`` of a table."""
    return f"+254711{number:06}"


def row(number: int, **values: str) -> dict[str, str]:
    """A valid row, with other values where they are given."""
    return {
        "phone": phone(number),
        "name": f"Given{number} Family",
        "gender": ("female", "male")[number % 2],
        "place": "Miyani",
        "balance": str(number),
        "language": ("sw", "en")[number % 2],
        "tags": "chama",
        "pin": f"{9000 + number % 1000}",
    } | values


def text(rows: Iterable[dict[str, str]], head: Sequence[str] = HEAD, separator: str = ",", end: str = "\r\n") -> str:
    """The table with these columns."""
    out = io.StringIO()
    writer = csv.DictWriter(out, head, delimiter=separator, lineterminator=end, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def people_table(path: Path, rows: Iterable[dict[str, str]], **form: str) -> Path:
    """Writes the table to a file."""
    path.write_bytes(text(rows, **form).encode())
    return path
