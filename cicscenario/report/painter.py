"""Draws a few lines at the bottom of a terminal again and again, below the lines that stay.

When the window gets another size, terminals differ in what they do with the lines that are there: some break them anew. So
then all that is seen is erased, and the last lines that stay are printed again.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.cells import cell_len

_KEPT = 200  # lines that may be printed again
_CLEAR = "\x1b[H\x1b[J"  # Source: ECMA-48, CUP and ED
Size = tuple[int, int]  #: columns and rows


def terminal_size(stream: TextIO) -> Size:
    """Columns and rows of a terminal; 80 and 24 when it does not say."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    return size.columns or 80, size.lines or 24


class Painter:
    """The lines of one terminal. ``size`` gives columns and rows. Not thread-safe."""

    def __init__(self, stream: TextIO, size: Callable[[], Size] | None = None) -> None:
        self._stream = stream
        self._size_of = size or (lambda: terminal_size(stream))
        self._kept: deque[tuple[str, str]] = deque(maxlen=_KEPT)
        self._drawn = 0  #: lines of the frame that is seen
        self._size = self._made_for = self._size_of()

    @property
    def size(self) -> Size:
        """Columns and rows now, for which the next frame is made."""
        self._made_for = self._size_of()
        return self._made_for

    def keep(self, text: str, shown: str, frame: Sequence[str]) -> None:
        """Prints a line that stays, above the frame; ``shown`` is the same text with colours."""
        self._kept.append((text, shown))
        self._draw(f"{shown}\n", frame)

    def frame(self, lines: Sequence[str]) -> None:
        """Draws the frame. No line may be wider than ``size`` when it was asked for last, and it has fewer lines than rows."""
        self._draw("", lines)

    def _draw(self, above: str, frame: Sequence[str]) -> None:
        size = self._made_for  # when that is no longer the window's, the next frame's is another one, and all is erased
        if size == self._size:
            before = f"\r\x1b[{self._drawn}A\x1b[J" if self._drawn else ""
        else:
            before, above = _CLEAR + self._again(size, len(frame)), ""
            self._size = size
        self._stream.write(before + above + "".join(f"{line}\n" for line in frame))
        self._stream.flush()
        self._drawn = len(frame)

    def _again(self, size: Size, below: int) -> str:
        """The last lines that stay, as many as there is room for."""
        left, lines = size[1] - below - 1, list[str]()
        for text, shown in reversed(self._kept):
            left -= max(1, -(-cell_len(text) // size[0]))
            if left < 0:
                break
            lines.append(f"{shown}\n")
        return "".join(reversed(lines))
