"""A matrix: each combination of its values is a scenario, and a mistake in it is told once, at its place."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.language import DiagnosticsError, Scenario, SeveralRunsError
from cicscenario.language.combination import Combination
from cicscenario.language.diagnostic import Diagnostic
from cicscenario.language.matrix import MAX_COMBINATIONS
from cicscenario.vocabulary import check_scenario, load_scenario, load_scenarios

HEAD = "version: 1\nname: m\npopulation: {size: 5, seed: 3}\n"


def scenario(folder: Path, text: str, name: str = "m.yaml", head: str = HEAD) -> Path:
    path = folder / name
    path.write_text(head + text)
    return path


def labels(path: Path, *overrides: str) -> list[str]:
    return [one.combination.label if one.combination else "" for one in load_scenarios(path, overrides)]


def problems(path: Path, *overrides: str) -> Sequence[Diagnostic]:
    with pytest.raises(DiagnosticsError) as caught:
        load_scenarios(path, overrides)
    return caught.value.diagnostics


def places(path: Path, *overrides: str) -> list[tuple[str, int, int]]:
    return [(problem.code.value, problem.line, problem.column) for problem in problems(path, *overrides)]


TWO_BY_TWO = "matrix:\n  backend: [eth, cic_eth]\n  population.size: [10, 100]\n"


def test_each_combination_is_a_scenario_with_its_values(tmp_path: Path) -> None:
    found = load_scenarios(scenario(tmp_path, TWO_BY_TWO))
    assert [(one.backend.traits.kind, one.population.size) for one in found] == [
        ("eth", 10), ("eth", 100), ("cic_eth", 10), ("cic_eth", 100),
    ]  # fmt: skip
    assert found[0].title == "m/backend=eth,population.size=10"
    assert all("matrix" not in one.canonical() for one in found)


def test_the_people_of_two_combinations_are_not_the_same_and_depend_on_the_seed_and_the_combination_only(
    tmp_path: Path,
) -> None:
    found = load_scenarios(scenario(tmp_path, TWO_BY_TWO))
    assert len({one.population.seed for one in found}) == len(found)
    turned = "matrix:\n  backend: [cic_eth, eth]\n  population.size: [100, 1000, 10]\n"
    later = load_scenarios(scenario(tmp_path, turned))
    seeds = {one.title: one.population.seed for one in later}
    assert {one.title: one.population.seed for one in found}.items() <= seeds.items(), "another order, and more values"
    other = load_scenarios(scenario(tmp_path, TWO_BY_TWO), ["population.seed=4"])
    assert not {one.population.seed for one in other} & {one.population.seed for one in found}


def test_a_seed_in_the_matrix_is_the_seed(tmp_path: Path) -> None:
    path = scenario(tmp_path, "matrix: {gift.threshold: [0, 5], population.seed: [7]}\n")
    assert [one.population.seed for one in load_scenarios(path)] == [7, 7]


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_one_run_is_asked_for_and_there_are_several(tmp_path: Path) -> None:
    path = scenario(tmp_path, TWO_BY_TWO)
    with pytest.raises(SeveralRunsError) as caught:
        load_scenario(path)
    assert "matrix of 4 runs" in caught.value.message
    assert caught.value.hint
    assert "--set backend=cic_eth --set population.size=100" in caught.value.hint


@pytest.mark.parametrize(
    ("overrides", "left"),
    [
        (["backend=eth"], ["backend=eth,population.size=10", "backend=eth,population.size=100"]),
        (["backend.kind=eth", "population.size=10"], ["backend=eth,population.size=10"]),
        (["population={size: 100}"], ["backend=eth,population.size=100", "backend=cic_eth,population.size=100"]),
        (["population.size=7"], ["backend=eth,population.size=7", "backend=cic_eth,population.size=7"]),
        (["matrix.population.size=[1]"], ["backend=eth,population.size=1", "backend=cic_eth,population.size=1"]),
        (["gift.threshold=3"], [f"backend={b},population.size={s}" for b in ("eth", "cic_eth") for s in (10, 100)]),
    ],
)
def test_a_value_on_the_command_line_is_the_only_one_of_its_key(
    tmp_path: Path, overrides: list[str], left: list[str]
) -> None:
    assert labels(scenario(tmp_path, TWO_BY_TWO), *overrides) == left


VALUES = {
    "backend": ["eth", "{kind: cic_ussd, dialect: '2021'}", "{kind: eth, keystore: {kdf: none}}"],
    "population.size": ["10", "1e2", "'{{ n * 3 }}'"],
    "population.locales": ["[sl]", "[sl, en_US]"],
    "faucet": ["true"],
    "gift.token": ["GFT", "'10'", "'a, b'"],
    "vars.n": ["2"],
}


def test_the_options_of_a_combination_choose_it_and_no_other(tmp_path: Path) -> None:
    lists = "".join(f"  {key}: [{', '.join(values)}]\n" for key, values in VALUES.items())
    path = scenario(tmp_path, f"vars: {{n: 7}}\nmatrix:\n{lists}")
    found = load_scenarios(path)
    assert len(found) == 3 * 3 * 2 * 1 * 3 * 1
    assert len({one.combination.folder for one in found if one.combination}) == len(found)
    for one in found[::7]:
        assert one.combination
        alone = load_scenario(path, one.combination.sets)
        assert alone.combination == one.combination
        assert alone.canonical() == one.canonical()


def test_a_path_of_the_matrix_is_relative_to_its_file_also_when_the_command_line_chooses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    path = scenario(tmp_path / "inner", "matrix: {environment: [a.yaml, b.yaml]}\n")
    monkeypatch.chdir(tmp_path)
    assert load_scenario(path, ["environment=b.yaml"]).environment == str(tmp_path / "inner/b.yaml")
    assert load_scenario(path, ["environment=c.yaml"]).environment == str(tmp_path / "c.yaml"), "one of the user's own"


def test_an_option_within_a_varied_key_is_set_in_every_combination(tmp_path: Path) -> None:
    found = load_scenarios(scenario(tmp_path, TWO_BY_TWO), ["backend.patience=9"])
    assert [one.backend.option("patience") for one in found if one.backend.traits.custodial] == [9, 9]
    assert len(found) == 4


def test_a_part_of_what_is_varied_cannot_be_set_alone(tmp_path: Path) -> None:
    path = scenario(tmp_path, "matrix:\n  backend: [eth, {kind: cic_ussd, dialect: '2021'}]\n")
    (problem,) = problems(path, "backend.dialect=current")
    assert problem.code == "S015"
    assert "the matrix varies it within `backend`" in problem.message


# --- a parent's matrix ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("child", "left"),
    [
        ("", ["backend=eth,population.size=10", "backend=eth,population.size=100",
              "backend=cic_eth,population.size=10", "backend=cic_eth,population.size=100"]),
        ("backend: eth\n", ["backend=eth,population.size=10", "backend=eth,population.size=100"]),
        ("matrix: {population.size: [3]}\n", ["backend=eth,population.size=3", "backend=cic_eth,population.size=3"]),
        ("backend: eth\nmatrix: {population.size: [3], gift.threshold: [0, 1]}\n",
         ["backend=eth,population.size=3,gift.threshold=0", "backend=eth,population.size=3,gift.threshold=1"]),
    ],
)  # fmt: skip
def test_a_file_that_extends_one_with_a_matrix_has_it_and_its_own_values_win(
    tmp_path: Path, child: str, left: list[str]
) -> None:
    scenario(tmp_path, TWO_BY_TWO)
    path = scenario(tmp_path, child, "child.yaml", "extends: m.yaml\nname: child\n")
    assert labels(path) == left


def test_the_matrix_of_a_file_varies_what_the_file_gives_and_what_it_extends_gives(tmp_path: Path) -> None:
    scenario(tmp_path, "faucet: true\n")
    path = scenario(tmp_path, "faucet: true\nmatrix: {faucet: [true, false], population.size: [1]}\n", "c.yaml",
                    "extends: m.yaml\nname: child\n")  # fmt: skip
    assert labels(path) == ["faucet=true,population.size=1", "faucet=false,population.size=1"]


# --- mistakes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matrix", "code", "place", "says"),
    [
        ("matrix: {popultion.size: [1]}", "S014", (4, 10), "popultion.size"),
        ("matrix: {size: [1]}", "S014", (4, 10), "size"),
        ("matrix: {population: {siez: [1]}}", "S014", (4, 23), "population.siez"),
        ("matrix: {name: [a, b]}", "S013", (4, 10), "a name of its own"),
        ("matrix: {version: [1]}", "S013", (4, 10), "cannot vary `version`"),
        ("matrix: {vars: [1]}", "S013", (4, 10), "one variable"),
        ("matrix: {backend.keystore.password: ['file:a']}", "S013", (4, 10), "it is a secret"),
        ("matrix: {population.size: 10}", "S011", (4, 27), "is one value"),
        ("matrix: {population.size: []}", "S013", (4, 27), "an empty list"),
        ("matrix: {population.size: [10, 1e1]}", "S013", (4, 32), "`10` is in `matrix.population.size` already"),
        ("matrix: {backend: [eth, {kind: eth}]}", "S013", (4, 25), "`eth` is in"),
        ("matrix: {}", "S013", (4, 1), "varies nothing"),
        ("matrix: [eth]", "S011", (4, 1), "not a mapping"),
        ("matrix:", "S011", (4, 1), "not a mapping"),
        ("matrix: {population.size: ['{{ n }}']}", "S009", (4, 32), "no variable `n`"),
        ("matrix: {population.size: [10, 0, 20], faucet: [true, false]}", "S013", (4, 32), "`0` is not a value"),
        ("matrix: {backend: [eth, cic_etx], faucet: [true]}", "S013", (4, 25), "`cic_etx`"),
        ("matrix: {backend.kind: [eth], backend: [cic_eth]}", "S015", (4, 10), "twice"),
    ],
)
def test_a_mistake_in_the_matrix_is_told_once_at_its_place(
    tmp_path: Path, matrix: str, code: str, place: tuple[int, int], says: str
) -> None:
    (problem,) = problems(scenario(tmp_path, matrix + "\n"))
    assert (problem.code, (problem.line, problem.column)) == (code, place), problem.render()
    assert says in problem.message
    assert "with " not in problem.message, "the place says which value it is"


def test_a_misspelt_key_has_a_suggestion(tmp_path: Path) -> None:
    found = [
        problems(scenario(tmp_path, f"matrix: {{{key}: [1]}}\n"))[0].suggestion for key in ("popultion.size", "size")
    ]
    assert found == ["population.size"] * 2


def test_too_many_combinations_are_told_and_not_made(tmp_path: Path) -> None:
    sizes = ", ".join(map(str, range(1, 1001)))
    path = scenario(tmp_path, f"matrix: {{population.size: [{sizes}], gas: [{sizes}], gift.threshold: [{sizes}]}}\n")
    (problem,) = problems(path)
    assert "1,000,000,000 combinations" in problem.message
    assert problem.expected == f"at most {MAX_COMBINATIONS}"


def test_what_is_wrong_in_every_combination_is_told_once_without_one(tmp_path: Path) -> None:
    path = scenario(tmp_path, "gits: 3\nmatrix: {population.size: [1, 2, 3], faucet: [true, false]}\n")
    (problem,) = problems(path)
    assert problem.message == "unknown key `gits`"


def test_what_is_wrong_with_one_value_only_names_it(tmp_path: Path) -> None:
    text = "pins: {scheme: bcrypt}\nmatrix:\n  backend: [eth, cic_ussd]\n  population.size: [1, 2]\n"
    (problem,) = problems(scenario(tmp_path, text))
    assert (problem.line, problem.code) == (4, "S015"), "at the value that is not possible with the other"
    assert problem.message.endswith("(with backend=eth)")


def test_what_is_wrong_in_a_mixture_names_the_combination(tmp_path: Path) -> None:
    text = "matrix:\n  gift.method: [transfer, none]\n  gift.threshold: [0, 5]\n  gas: [0, 1]\n"
    (problem,) = problems(scenario(tmp_path, text))
    assert problem.message.endswith("(in the combination gift.method=none,gift.threshold=5,gas=0 and 1 more)")
    assert (problem.line, problem.column) == (6, 23), "the value that is blamed"


@pytest.mark.parametrize("rest", ["", "gift: {threshold: 1, method: none}\n"])
def test_no_message_shows_a_secret_that_somebody_wrote_into_the_matrix(tmp_path: Path, rest: str) -> None:
    key, other = "4f" * 32, "5e" * 32
    lists = f"  vars.key: ['{key}', '{other}', '{key}']\n  backend.keystore: [{{password: hunter2}}]\n  gas: [0, -1]\n"
    text = f"{rest}matrix:\n{lists}"
    found = problems(scenario(tmp_path, text))
    assert {problem.code.value for problem in found} >= {"S016", "S013"}
    said = "".join(problem.render() for problem in found)
    assert not [secret for secret in (key, other, "hunter2") if secret in said]


def test_all_mistakes_of_a_file_are_told_together(tmp_path: Path) -> None:
    text = "gits: 3\nmatrix:\n  backend: [eth, cic_etx]\n  popultion.size: [1]\n  gas: [-1]\n"
    assert places(scenario(tmp_path, text)) == [("S014", 4, 1), ("S013", 6, 18), ("S014", 7, 3), ("S013", 8, 9)]


def test_a_required_value_may_come_from_the_matrix(tmp_path: Path) -> None:
    path = scenario(
        tmp_path, "population: {seed: 1}\nmatrix: {population.size: [1, 2]}\n", head="version: 1\nname: m\n"
    )
    assert [one.population.size for one in load_scenarios(path)] == [1, 2]


def test_an_environment_file_has_no_matrix(tmp_path: Path) -> None:
    from cicscenario.language import load_environment

    path = tmp_path / "e.yaml"
    path.write_text("version: 1\nname: e\nmeta: {url: 'http://localhost', key: '{{ env.X }}'}\nmatrix: {name: [a]}\n")
    with pytest.raises(DiagnosticsError, match="`matrix` is a key of scenarios"):
        load_environment(path)


def test_people_are_not_taken_from_all_runs_of_a_matrix_at_once(tmp_path: Path) -> None:
    for label in ("a=1", "a=2"):
        (tmp_path / "runs/m" / label).mkdir(parents=True)
        (tmp_path / "runs/m" / label / "state.sqlite").touch()
    path = scenario(tmp_path, "", head="version: 1\nname: x\npopulation: {from: runs/m}\nbackend: existing\n")
    with pytest.raises(DiagnosticsError) as caught:
        check_scenario(path)
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.suggestion) == ("S020", "runs/m/a=1")
    path.write_text(path.read_text().replace("runs/m", "runs/m/a=1"))
    assert check_scenario(path).population.source == tmp_path / "runs/m/a=1"
    (tmp_path / "runs/m/state.sqlite").touch()
    path.write_text(path.read_text().replace("runs/m/a=1", "runs/m"))
    check_scenario(path)


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_folder_has_the_label_where_that_is_a_good_name() -> None:
    assert Combination((("backend", "eth"), ("population.size", "10"))).folder == "backend=eth,population.size=10"


@given(st.lists(st.text(max_size=200), min_size=2, max_size=5, unique=True))
def test_folders_are_short_safe_names_and_differ_when_the_values_do(texts: list[str]) -> None:
    folders = [Combination((("environment", text),)).folder for text in texts]
    assert len(set(folders)) == len(folders)
    for folder in folders:
        assert len(folder.encode()) < 200
        assert not set(folder) & set("/\\\0 \n\"'$`")
        assert folder not in (".", "..")


@given(st.permutations([("a", "1"), ("b", "2"), ("c", "3")]), st.integers(0, 2**40))
def test_seeds_of_combinations_are_their_own_on_every_machine(values: list[tuple[str, str]], seed: int) -> None:
    several = [Combination(tuple(values[:number])) for number in range(1, 4)]
    assert len({one.seed(seed) for one in several}) == 3
    assert Combination((("a", "1"),)).seed(7) == 238133775140934, "a change would make other people"


def test_a_plain_scenario_has_no_combination(tmp_path: Path) -> None:
    one: Scenario = load_scenario(scenario(tmp_path, ""))
    assert (one.combination, one.title, one.population.seed) == (None, "m", 3)


def test_every_pair_of_keys_can_be_varied_together(tmp_path: Path) -> None:
    """No key of the language depends on the order in which keys stand in the matrix."""
    lists = {"backend": "[eth, cic_eth]", "population.size": "[1, 2]", "gift": "[{threshold: 1}, {threshold: 2}]"}
    for first, second in itertools.permutations(lists, 2):
        path = scenario(tmp_path, f"matrix: {{{first}: {lists[first]}, {second}: {lists[second]}}}\n")
        assert len(load_scenarios(path)) == 4
