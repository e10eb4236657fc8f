"""A terminal's screen, as pyte makes it of what is written; and a stream that is one."""

import io

import pyte


class Screen(io.StringIO):
    """A stream of text that is shown on a screen of so many columns and rows."""

    encoding = "utf-8"

    def __init__(self, columns: int, rows: int = 24) -> None:
        super().__init__()
        self._screen = pyte.Screen(columns, rows)
        self._screen.set_mode(pyte.modes.LNM)
        self._feed = pyte.Stream(self._screen)

    def write(self, text: str) -> int:
        self._feed.feed(text)
        return super().write(text)

    def isatty(self) -> bool:
        return True

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self._screen.columns, self._screen.lines

    def resize(self, columns: int) -> None:
        """Makes the window narrower or wider, as a terminal does that breaks lines anew: what is too long takes more rows."""
        old = [line.rstrip() for line in self._screen.display]
        while old and not old[-1]:
            old.pop()
        again = [line[at : at + columns] for line in old for at in range(0, max(len(line), 1), columns)]
        rows = self._screen.lines
        self._screen.resize(rows, columns)
        self._screen.reset()
        self._screen.set_mode(pyte.modes.LNM)
        self._feed.feed("".join(f"{line}\n" for line in again[-(rows - 1) :]))

    @property
    def lines(self) -> list[str]:
        """What is seen, without empty lines at the end."""
        found = [line.rstrip() for line in self._screen.display]
        while found and not found[-1]:
            found.pop()
        return found

    def colour(self, text: str) -> str:
        """The colour of a text that is on the screen."""
        row = next(row for row, line in enumerate(self._screen.display) if text in line)
        return str(self._screen.buffer[row][self._screen.display[row].index(text)].fg)
