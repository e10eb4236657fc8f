"""The standard layout of files: only white space changes, and it changes once."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cicscenario.language import DiagnosticsError
from cicscenario.language.layout import arranged, laid_out
from cicscenario.language.nodes import compose, plain
from cicscenario.language.source import Source

MESSY = """\

# top
version:   1
name: a   # kept where it is


population:
    size:  3
    # about the tags
    tags:
    - x    # first
    -   y
    languages: { en : 1,sw: 2 }
description: >-
   folded
     more

   text
vars:
      text: "a
        b"
      block: |
        two  spaces
         stay~~
metadata: [person,
    phone,   # why
  custom
  ]
list:
  - - 1
    - 2
  -   a: 1
      b: 2
# end


"""
NEAT = """\
# top
version: 1
name: a   # kept where it is

population:
  size: 3
  # about the tags
  tags:
    - x    # first
    - y
  languages: {en: 1, sw: 2}
description: >-
   folded
     more

   text
vars:
  text: "a
    b"
  block: |
    two  spaces
     stay~~
metadata: [person,
  phone,   # why
  custom
]
list:
  - - 1
    - 2
  - a: 1
    b: 2
# end
"""


MESSY, NEAT = (
    MESSY.replace("~", " "),
    NEAT.replace("~", " "),
)  # ~ for blanks at a line's end, which are part of the text


def lay_out(text: str) -> str:
    return laid_out(Source("s.yaml", text, Path.cwd()))


def read(text: str) -> object:
    return plain(compose(Source("s.yaml", text, Path.cwd()), []))


def test_white_space_is_put_in_order() -> None:
    assert lay_out(MESSY) == NEAT
    assert lay_out(NEAT) == NEAT
    assert read(MESSY) == read(NEAT)


@pytest.mark.parametrize("path", sorted(Path("scenarios").rglob("*.yaml")), ids=str)
def test_the_scenarios_of_the_project_are_in_the_layout(path: Path) -> None:
    assert lay_out(path.read_text("utf-8")) == path.read_text("utf-8")


def test_what_is_no_yaml_is_an_error() -> None:
    with pytest.raises(DiagnosticsError):
        lay_out("a: [1\nb: 2\n")


@pytest.mark.parametrize("other", ["a: 2\n", "a: 1 # of another\n", "a: [\n"])
def test_a_layout_that_would_change_the_meaning_is_not_used(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    monkeypatch.setattr("cicscenario.language.layout.arranged", lambda text: other)
    assert lay_out("a:  1\n") == "a:  1\n"


SCALARS = st.sampled_from(
    [
        *("1", "x", "'a b'", '"# no"', '"a: b"', "''", "a#b", "{}", "[]", "&n 1", ""),
        *("|\n{i}  t  \n\n{i}   u", ">-\n{i}  v\n{i}  w", '"l\n{i}   m"', "p\n{i} q"),
    ]
)
COMMENTS = st.sampled_from(["", "  # c", " #d", "     #  e"])
KEYS = st.sampled_from(["a", "b", "'c'", "d e", "f"])
FLOW = st.sampled_from([["{ a : 1,b: 2}"], ["[ 1,2 ]"], ["[x,  # c", "y ]"], ["{a: [1,2],", "b: 1 }"]])
NOISE = st.lists(st.sampled_from(["", "  ", "# n", "      # far"]), max_size=2)
DEPTH = 3


class Writer:
    """Writes YAML as people leave it: any indentation, comments anywhere, blank lines."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.lines: list[str] = []

    def mapping(self, indent: int, depth: int) -> None:
        for key in self.draw(st.lists(KEYS, min_size=1, max_size=3, unique=True)):
            self.lines += self.draw(NOISE)
            kinds = [self.scalar, self.flow, self.nested, self.items] if depth < DEPTH else [self.scalar, self.flow]
            self.draw(st.sampled_from(kinds))(f"{' ' * indent}{key}:", indent, depth)

    def scalar(self, head: str, indent: int, depth: int) -> None:
        value = self.draw(SCALARS)
        end = "" if "\n" in value else self.draw(COMMENTS)
        self.lines.append(f"{head}{' ' * self.draw(st.integers(1, 3))}{value.replace('{i}', ' ' * indent)}{end}")

    def flow(self, head: str, indent: int, depth: int) -> None:
        first, *rest = self.draw(FLOW)
        self.lines.append(f"{head} {first}")
        self.lines += [" " * (indent + self.draw(st.integers(1, 5))) + text for text in rest]

    def nested(self, head: str, indent: int, depth: int) -> None:
        self.lines.append(head + self.draw(COMMENTS))
        self.mapping(indent + self.draw(st.integers(1, 5)), depth + 1)

    def items(self, head: str, indent: int, depth: int) -> None:
        self.lines.append(head + self.draw(COMMENTS))
        inner, gap = " " * (indent + self.draw(st.integers(0, 4))), " " * self.draw(st.integers(1, 3))
        for pair in self.draw(st.lists(st.booleans(), min_size=1, max_size=3)):
            self.lines += self.draw(NOISE)
            self.lines += [f"{inner}-{gap}k: 1", f"{inner} {gap}l: 2"] if pair else [f"{inner}-{gap}x"]


@st.composite
def documents(draw: st.DrawFn) -> str:
    writer = Writer(draw)
    writer.mapping(0, 0)
    return "\n".join(writer.lines) + draw(st.sampled_from(["", "\n", "\n\n\n", "\r\n"]))


@given(documents())
@example("a:\n- 1\n- b: 2\n  c: 3\n")
@example("a: &x 1\nb: {*x : 2}\n")
@example("a:\n    b: |\n      t\n\n      u\n     # not of the text\nc: 1\n")
def test_the_meaning_and_the_comments_stay_and_a_second_time_changes_nothing(text: str) -> None:
    try:
        before = read(text)
    except DiagnosticsError:
        return
    after = arranged(text)
    assert read(after) == before
    assert comments(after) == comments(text)
    assert lay_out(text) == after
    assert lay_out(after) == after


def comments(text: str) -> list[str]:
    """What looks like a comment, found by simple means."""
    return [line[line.index("#") :].strip() for line in text.splitlines() if "#" in line]
