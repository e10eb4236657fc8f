"""The layout of YAML files: indentation, spaces and blank lines, without a change of what they mean.

Every comment, the order of keys, quotes and line breaks stay. Only white space changes: two spaces for each level, one after a
colon, a dash and a comma, none within brackets, none at line ends, and one blank line where there are several.
"""

from dataclasses import dataclass, field
from typing import Any

import yaml

from cicscenario.language.diagnostic import DiagnosticsError
from cicscenario.language.nodes import compose, plain
from cicscenario.language.source import Source

_STEP = 2  # spaces for each level
_ROUNDS = 4  # until nothing changes any more

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENING = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


def laid_out(source: Source) -> str:
    """The text in the standard layout. A file for which it would change the meaning is given back as it is.

    Raises DiagnosticsError for a file that is not YAML of the language.
    """
    before = plain(compose(source, []))
    text = arranged(source.text)
    return text if _means(source, text) == (before, _comments(source.text)) else source.text


def arranged(text: str) -> str:
    """The text in the standard layout, without a look at whether it means the same."""
    for _ in range(_ROUNDS):
        after = _once(text)
        if after == text:
            break
        text = after
    return text


def _means(source: Source, text: str) -> tuple[Any, list[str]] | None:
    """The values and the comments of a text; None when it is not YAML."""
    try:
        return plain(compose(Source(source.name, text, source.folder), [])), _comments(text)
    except DiagnosticsError:
        return None


def _comments(text: str) -> list[str]:
    lines = _Lines.of(text)
    return [found for number in range(len(lines.texts)) if (found := lines.comment(number)[1])]


@dataclass
class _Lines:
    """The lines of a text, with the tokens that begin in each."""

    texts: list[str]
    tokens: list[list[Any]]
    inner: set[int] = field(default_factory=set)  #: lines that begin within a value of several lines

    @classmethod
    def of(cls, text: str) -> "_Lines":
        texts = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        lines = cls(texts, [[] for _ in texts])
        for token in yaml.scan("\n".join(texts), Loader=_Loader):
            start, end = token.start_mark, token.end_mark
            if (start.line, start.column) == (end.line, end.column) or isinstance(token, yaml.StreamEndToken):
                continue  # tokens without a text of their own
            lines.tokens[start.line].append(token)
            last = end.line if end.column else end.line - 1  # a block scalar ends where the next line begins
            lines.inner.update(range(start.line + 1, last + 1))
        return lines

    def comment(self, number: int) -> tuple[int, str]:
        """The place and the text of the comment of a line; its end and nothing when it has none."""
        text, tokens = self.texts[number], self.tokens[number]
        if number in self.inner and not tokens:
            return len(text), ""
        if tokens and tokens[-1].end_mark.line != number and not _is_block(tokens[-1]):
            return len(text), ""
        end = self.end(number)
        at = text.find("#", end)
        return (at, text[at:].rstrip()) if at >= 0 else (len(text), "")

    def end(self, number: int) -> int:
        """Where the last token of a line ends in it."""
        tokens = self.tokens[number]
        if not tokens:
            return 0
        last = tokens[-1]
        return last.start_mark.column + 1 if _is_block(last) else int(last.end_mark.column)


def _is_block(token: Any) -> bool:
    return isinstance(token, yaml.ScalarToken) and token.style in ("|", ">")


@dataclass
class _Level:
    """A block collection that is open: where its keys or dashes are now, and where they are to be."""

    old: int
    new: int
    dashes: bool


def _once(text: str) -> str:
    lines = _Lines.of(text)
    levels: list[_Level] = []
    flow = 0
    out: list[str] = []
    moves: list[tuple[int, int]] = []  # of each line: its indentation now and then
    shift = 0
    for number, line in enumerate(lines.texts):
        tokens = lines.tokens[number]
        depth = len(line) - len(line.lstrip(" "))
        if number in lines.inner and not (
            tokens and line[:depth].strip() == "" and tokens[0].start_mark.column == depth
        ):
            out.append(_moved(line, shift) if not tokens else _moved(_spaced(lines, number, depth), shift))
            moves.append((depth, max(0, depth + shift)))
        elif not tokens:
            out.append(line.strip() and line.rstrip())
            moves.append((depth, -1))
        else:
            closing = sum(1 for token in tokens[:1] if isinstance(token, _CLOSING))
            new = (
                (levels[-1].new if levels else 0) + _STEP * (flow - closing) if flow else _place(levels, tokens, depth)
            )
            out.append(" " * new + _spaced(lines, number, depth))
            moves.append((depth, new))
            shift = (levels[-1].new - levels[-1].old) if levels else new - depth
        flow += sum(isinstance(token, _OPENING) for token in tokens) - sum(
            isinstance(token, _CLOSING) for token in tokens
        )
    return _without_gaps(_placed_comments(out, moves, lines), lines)


def _place(levels: list[_Level], tokens: list[Any], depth: int) -> int:
    """The new indentation of a line that begins with a key or a dash; updates the open levels."""
    dash = isinstance(tokens[0], yaml.BlockEntryToken)
    while levels and (levels[-1].old > depth or (levels[-1].old == depth and levels[-1].dashes and not dash)):
        levels.pop()
    if not levels or levels[-1].old < depth or levels[-1].dashes != dash:
        levels.append(_Level(depth, levels[-1].new + _STEP if levels else 0, dash))
    new = levels[-1].new
    at, place = 0, new
    while isinstance(tokens[at], yaml.BlockEntryToken) and at + 1 < len(tokens):
        at, place = at + 1, place + _STEP
        follows = isinstance(tokens[at], yaml.BlockEntryToken)
        if follows or any(isinstance(token, yaml.ValueToken) for token in tokens[at:]):
            levels.append(_Level(tokens[at].start_mark.column, place, follows))
    return new


def _spaced(lines: _Lines, number: int, depth: int) -> str:
    """The text of a line behind its indentation, with standard spaces between its tokens; comments keep their distance."""
    line, tokens = lines.texts[number], lines.tokens[number]
    text, place, before = "", depth, None
    for token in tokens:
        start = token.start_mark.column
        end = token.end_mark.column if token.end_mark.line == number else len(line)
        gap = line[place:start] if start > place else ""
        text += gap if gap.strip() else _gap(before, token, gap)
        text += line[max(start, place) : end]
        place, before = end, token
    rest = line[place:]
    if rest.strip() and before is not None and isinstance(before, yaml.ValueToken) and not rest.startswith(" "):
        rest = f" {rest}"
    return (
        (text + rest).rstrip() if number + 1 not in lines.inner or not tokens or _is_block(tokens[-1]) else text + rest
    )


def _gap(before: Any, token: Any, gap: str) -> str:
    if before is None:
        return ""
    if isinstance(before, _OPENING) or isinstance(token, _CLOSING):
        return ""
    if isinstance(token, yaml.FlowEntryToken | yaml.ValueToken):
        return " " if gap and isinstance(before, yaml.AliasToken) else ""  # `*a:` would be another alias
    if isinstance(before, yaml.FlowEntryToken | yaml.ValueToken | yaml.BlockEntryToken):
        return " "
    return gap and " "


def _moved(line: str, shift: int) -> str:
    """A line within a value, whose indentation changes with that of its key."""
    if not line.strip(" "):
        return line
    depth = len(line) - len(line.lstrip(" "))
    return " " * max(0, depth + shift) + line[depth:]


def _placed_comments(out: list[str], moves: list[tuple[int, int]], lines: _Lines) -> list[str]:
    """Comments on lines of their own are moved with the key below them, or with the one above."""
    for number, text in enumerate(out):
        depth, new = moves[number]
        if new >= 0 or not text:
            continue
        below = next((move for move in moves[number + 1 :] if move[1] >= 0), None)
        above = next((moves[one] for one in reversed(range(number)) if moves[one][1] >= 0 and out[one].strip()), None)
        near = next((move for move in (below, above) if move and move[0] == depth), None)
        # Else as far as what is above it, or it could become a line of the text there.
        new = near[1] if near else depth + (above[1] - above[0] if above else 0)
        out[number] = " " * max(0, new) + text.strip()
    return out


def _without_gaps(out: list[str], lines: _Lines) -> str:
    kept: list[str] = []
    for number, text in enumerate(out):
        blank = not text.strip() and number not in lines.inner
        if blank and (not kept or kept[-1] == ""):
            continue
        kept.append("" if blank else text)
    while kept and kept[-1] == "":
        kept.pop()
    open_end = len(out) - 1 in lines.inner  # a text that ends without a line break, which would become a part of it
    return "\n".join(kept) + ("" if open_end else "\n") if kept else ""
