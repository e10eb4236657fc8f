"""The columns of a table of people, by their headings."""

from collections.abc import Mapping


def heading(text: str) -> str:
    """A heading in the form in which two of them are compared: blanks and capitals make no difference."""
    return " ".join(text.split()).casefold()


def read_twice(columns: Mapping[str, str]) -> str | None:
    """A field that is read from the column of another field; None when there is none."""
    seen = set[str]()
    for field, name in columns.items():
        if heading(name) in seen:
            return field
        seen.add(heading(name))
    return None
