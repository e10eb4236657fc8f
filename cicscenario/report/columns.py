"""Rows of text in columns."""

from collections.abc import Collection, Iterator, Sequence


def columns(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> Iterator[str]:
    """A line for each row, with columns as wide as their widest cell; ``numbers`` are those that are set to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
