"""A character that cannot be seen, or looks like another, is named at its own place, and nothing else is."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicscenario.language import DiagnosticsError, load_environment
from cicscenario.language.diagnostic import Code, Diagnostic
from cicscenario.language.invisible import meant
from cicscenario.vocabulary import load_scenario

TEXT = "version: 1\nname: a\npopulation:\n  size: 5\n  seed: 1\nbackend: eth\n"


def errors(path: Path, text: str, *overrides: str) -> list[Diagnostic]:
    path.write_bytes(text.encode())
    try:
        load_scenario(path, overrides)
    except DiagnosticsError as error:
        return list(error.diagnostics)
    return []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.yaml"


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        # in the indentation
        ("  size", "\u00a0 size", [(4, 1)]),
        ("  size", "\u2003size", [(4, 1)]),
        ("  size", "  \u00a0size", [(4, 3)]),
        ("  s", "\u00a0\u00a0s", [(4, 1), (5, 1)]),
        ("  size", "\ufeff  size", [(4, 1)]),
        # in keys
        ("size", "si\u200bze", [(4, 5)]),
        ("size", "size\u200b", [(4, 7)]),
        ("size", "size\u00a0", [(4, 7)]),
        ("backend", "back\u00adend", [(6, 5)]),
        ("name", "\ufeffname", [(2, 1)]),
        ("name", "\uff4eame", [(2, 1)]),
        # around the colon
        ("size: 5", "size:\u00a05", [(4, 8)]),
        ("size: 5", "size\uff1a5", [(4, 7)]),
        ("size: 5", "size\ua789 5", [(4, 7)]),
        ("\n  size: 5\n  seed: 1", " {size\uff1a 5, seed: 1}", [(3, 18)]),
        ("\n  size: 5\n  seed: 1", " {size:\u00a05, seed: 1}", [(3, 19)]),
        ("population:", "population:\u00a0", [(3, 12)]),
        ("\n  size: 5\n  seed: 1", " \uff5bsize: 5, seed: 1\uff5d", [(3, 13), (3, 30)]),
        # in values
        ("size: 5", "size: 5\u00a0# five", [(4, 10)]),
        ("name: a", "name: \u00a0", [(2, 7)]),
        ("name: a", 'name: "a\u201d', [(2, 9)]),
        ("size: 5\n", "size: 5\n\u00a0\n", [(5, 1)]),
        ("size: 5", "size: 5\u00a0", [(4, 10)]),
        ("size: 5", "size: \u200b5", [(4, 9)]),
        ("size: 5", "size: \uff15", [(4, 9)]),
        ("size: 5", "size: \u0665", [(4, 9)]),
        ("size: 5", "size: \u22125", [(4, 9)]),
        ("size: 5", "size: 1\u202f000", [(4, 10)]),
        ("name: a", "name: \u202ea", [(2, 7)]),
        ("name: a", "name: a\u00a0b", [(2, 8)]),
        ("name: a", "name: \u201ca\u201d", [(2, 7)]),
        ("name: a", "name: \u2018a: b\u2019", [(2, 7), (2, 12)]),
        ("backend: eth", 'backend: "eth\u00a0"', [(6, 14)]),
        ("backend: eth", "backend: e\u2060th", [(6, 11)]),
        ("backend: eth", "backend: eth\nmetadata:\n  \u2013 person", [(8, 3)]),
        ("backend: eth", "backend: eth\nmetadata: [person\uff0cphone]", [(7, 18)]),
        ("backend: eth", "backend: eth\nvars: {n: 2}\ngas: '{{ n \u2212 1 }}'", [(8, 12)]),
        # as a line break, also where only people would read it
        ("size: 5\n", "size: 5\u2028", [(4, 10)]),
        ("size: 5\n", "size: 5\x85", [(4, 10)]),
        ("name: a", "name: a # so\u2029gas: 0", [(2, 13)]),
    ],
)  # fmt: skip
def test_the_character_is_named_at_its_place(file: Path, old: str, new: str, places: list[tuple[int, int]]) -> None:
    found = errors(file, TEXT.replace(old, new))
    assert [(problem.line, problem.column) for problem in found] == places
    for problem in found:
        character = TEXT.replace(old, new).splitlines()[problem.line - 1][problem.column - 1 :][:1]
        name = unicodedata.name(character or new[-1], "") if (character or new[-1]) not in "\x85" else ""
        assert problem.code is Code.INVISIBLE
        if character:
            assert problem.message.startswith(f"U+{ord(character):04X} {name}")
        assert problem.expected


def test_an_override_and_an_environment_and_a_base_are_read_likewise(tmp_path: Path, file: Path) -> None:
    for override, column in [
        ("population.si\u200bze=5", 14), ("population.size=5\u00a0", 18), ("population.size\uff1d5", 16),
        ("population.size=\uff15", 17), ("population\u00a0.size=5", 11), ("name=\u201cb\u201d", 6),
    ]:  # fmt: skip
        [problem] = errors(file, TEXT, override)
        assert (problem.code, problem.file, problem.line, problem.column) == (Code.INVISIBLE, "--set", 1, column)
    file.write_text(TEXT.replace("name: a", "name\u200b: a"))
    [problem] = errors(tmp_path / "b.yaml", "extends: a.yaml\n")
    assert (problem.code, problem.file, problem.line, problem.column) == (Code.INVISIBLE, str(file), 2, 5)
    file.write_text("version: 1\nname: e\u200b\nspec: evm:byzantium:8996:bloxberg\n")
    with pytest.raises(DiagnosticsError, match=r"U\+200B ZERO WIDTH SPACE in the value `e`"):
        load_environment(file)


@pytest.mark.parametrize(
    "more",
    [
        "# it\u2019s \u201cfine\u201d,\u00a0here\u200b\n",
        "description: 10\u00a0\u20ac for \u201call\u201d \u2013 \u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\u200b\n",
        "description: \u201call\u201d\n",
        "population: {size: 5, seed: 1, tags: [caf\u00e9, \u0646\u0645\u06cc\u200c\u062e\u0648, it\u2019s]}\n",
        'name: "a\\u0062"\n',
    ],
)
def test_what_is_a_part_of_a_text_is_no_error(file: Path, more: str) -> None:
    key = more.partition(":")[0]
    rest = TEXT.replace("name: a\n", "") if key == "name" else TEXT
    rest = rest.replace("population:\n  size: 5\n  seed: 1\n", "") if key == "population" else rest
    assert errors(file, rest + more) == []


def test_another_syntax_error_is_not_blamed_on_a_text_above(file: Path) -> None:
    [problem] = errors(file, TEXT + "description: a\u00a0\u2013 b\ngas: [1\n")
    assert (problem.code, problem.line) == (Code.SYNTAX, 8)


def test_another_error_is_told_beside_it(file: Path) -> None:
    found = errors(file, TEXT.replace("size: 5", "size: 5\u00a0").replace("eth", "ethh"))
    assert [(problem.code, problem.line) for problem in found] == [(Code.INVISIBLE, 4), (Code.INVALID_VALUE, 6)]


@settings(deadline=None)  # a loaded machine
@given(
    st.text(st.characters(exclude_characters="\r", exclude_categories=("Cs",)), max_size=80), st.integers(0, len(TEXT))
)
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str, at: int) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    for problem in errors(file, TEXT[:at] + text + TEXT[at:]):
        assert problem.render()


@pytest.mark.parametrize("character", [chr(code) for code in range(128)])
def test_plain_characters_are_what_they_are(character: str) -> None:
    assert meant(character) is None


@pytest.mark.parametrize(
    "text",
    [
        'version: "1"',
        "version: 1.0",
        "version: 2",
        "version: '2'",
        "version: 1e0",
        "version:",
        "version: [1]",
        "version: yes",
        "gas: 1",
    ],
)
def test_a_wrong_version_is_one_error(file: Path, text: str) -> None:
    [problem] = errors(file, TEXT.replace("version: 1", text))
    assert problem.key == "version"


def test_a_wrong_version_of_an_environment_is_one_error(file: Path) -> None:
    for version in ('"1"', "1.0", "2", "null"):
        file.write_text(f"version: {version}\nname: e\nspec: evm:byzantium:8996:bloxberg\n")
        with pytest.raises(DiagnosticsError) as caught:
            load_environment(file)
        assert len(caught.value.diagnostics) == 1
