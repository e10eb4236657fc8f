"""Each warning, what it is about, and the same scenario without it."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from cicscenario.language import Condition, DiagnosticsError
from cicscenario.language.diagnostic import EXPLANATIONS, Code
from cicscenario.language.lint import lint, same_names
from cicscenario.language.load import load_document, load_scenario
from cicscenario.vocabulary import vocabulary

HEAD = "version: 1\nname: a\npopulation: {size: 3, seed: 1}\n"


def found(folder: Path, text: str, *overrides: str) -> list[tuple[str, int, int]]:
    """Code, line and column of each finding."""
    path = folder / "a.yaml"
    path.write_text(text)
    found = lint(path, *load_document(path, overrides, vocabulary()), vocabulary())
    return [(str(d.code), d.line, d.column) for d in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD, []),
        (HEAD + 'vars: {n: 1, people: 2}\ndescription: "for {{ n }}"\n', [("L001", 4, 14)]),
        (HEAD + 'vars: {n: 1, people: "{{ n }}"}\ndescription: "for {{ people }}"\n', []),
        (HEAD.replace(", seed: 1", ""), [("L002", 3, 1)]),
        (HEAD + "gift: {method: mint}\n", [("L003", 4, 8)]),
        (HEAD + "gift: {method: none}\n", []),
        (HEAD + "gift: {method: none, token: GFT}\n", [("L003", 4, 22)]),
        (HEAD + "gift: {method: mint, threshold: 1, token: GFT}\n", []),
        (HEAD + "faucet: false\nchecks:\n  exclude:\n    - faucet\n", [("L004", 7, 7)]),
        (HEAD + "checks:\n  exclude: [faucet]\n", []),
        (HEAD + "checks: {include: [gas, faucet], exclude: [gas]}\n", [("L005", 4, 20)]),
        (HEAD + "checks: {include: [gas], exclude: [gas]}\n", [("L007", 4, 1), ("L005", 4, 20)]),
        (HEAD + "backend: cic_eth\ngas: 5\n", [("L008", 5, 1)]),
        (HEAD + "backend: cic_eth\nsteps: {gas: {deadline: 5}, keystore: {deadline: 5}}\n", [("L008", 5, 29)]),
        (HEAD + "backend: {kind: cic_ussd, dialect: '2021', patience: 9}\n", []),
        (HEAD + "backend:\n  kind: cic_eth\n  dialect: '2021'\n  patience: 9\n", [("L008", 6, 3)]),
        (HEAD + "backend:\n  kind: eth\n  patience: 9\n  keystore: {kdf: none}\ngas: 5\n", [("L008", 6, 3)]),
        (
            HEAD.replace("size: 3", "from: there") + "backend: existing\nfaucet: false\nmetadata: [person]\n",
            [("L008", 3, 27), ("L008", 5, 1)],
        ),
        (HEAD.replace("size: 3, seed: 1", "from: there") + "backend: existing\nmetadata: [person]\n", []),
        (HEAD.replace("size: 3, seed: 1", "from: there") + "gift: {method: mint}\n", []),
        (HEAD.replace("seed: 1", "seed: 1, on_bad_row: skip"), [("L008", 3, 32)]),
        (HEAD.replace("size: 3, seed: 1", "from: there, on_bad_row: skip, region: KE"), []),
        (HEAD.replace("size: 3", "from: there") + "gift: {threshold: 5}\n", [("L008", 3, 27), ("L008", 4, 8)]),
        (HEAD.replace("size: 3", "from: there") + "backend: cic_ussd\npins: {scheme: bcrypt}\n", []),
        (HEAD.replace("seed: 1", "seed: 1, columns: {phone: Tel}"), [("L008", 3, 32)]),
        (HEAD.replace("size: 3, seed: 1", "from: there.csv, columns: {phone: Tel}"), []),
    ],
)
def test_findings_are_at_their_place(tmp_path: Path, text: str, expected: list[tuple[str, int, int]]) -> None:
    assert found(tmp_path, text) == expected


def test_a_variable_that_an_extended_file_brings_is_that_files_matter(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(HEAD + "vars: {n: 1}\n")
    assert found(tmp_path, "extends: base.yaml\nvars: {m: 2}\n") == [("L001", 2, 8)]


def test_a_seed_on_the_command_line_is_a_seed(tmp_path: Path) -> None:
    assert found(tmp_path, HEAD.replace(", seed: 1", ""), "population.seed=3") == []


def test_a_misspelt_variable_is_suggested(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + "vars: {poeple: 1}\n")
    [finding] = lint(path, *load_document(path, (), vocabulary()), vocabulary())
    assert "no expression uses the variable `poeple`" in finding.render()
    assert finding.render().startswith("warning[L001]")


def test_a_check_that_the_scenario_cannot_have_is_an_error(tmp_path: Path) -> None:
    """Whatever check that is: here one that says by itself that it does not apply."""
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + "checks: {include: [gas, moon]}\n")
    schema = deepcopy(vocabulary().schema)
    schema["properties"]["checks"]["properties"]["include"]["items"]["enum"].append("moon")
    never = Condition(lambda scenario: False, (), "without a moon", "bring one")
    known = replace(vocabulary(), schema=schema, checks={**vocabulary().checks, "moon": (never,)})
    with pytest.raises(DiagnosticsError) as caught:
        load_scenario(path, (), known)
    [finding] = caught.value.diagnostics
    assert (finding.code, finding.code.severity, finding.column) == (Code.CONTRADICTION, "error", 25)
    assert (finding.message, finding.hint) == (
        "the check `moon` without a moon",
        "leave the check out, or bring one",
    )


def test_equal_names_are_found_but_for_the_first(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml")]
    for file in files:
        file.write_text(HEAD)
    named = [(file, *load_document(file, (), vocabulary())) for file in files]
    assert [path.name for path, _ in same_names((f, d, v["name"]) for f, d, v, _ in named)] == ["b.yaml", "c.yaml"]


def test_every_code_has_an_explanation_and_a_severity() -> None:
    assert set(EXPLANATIONS) == set(Code)
    assert {code.severity for code in Code if code.startswith("S")} == {"error"}
    assert {code.severity for code in Code if code.startswith("L")} == {"warning"}
    assert len(set(map(str, Code))) == len(list(Code))
