"""The deliberate breaks fit the code of now. ``python -m tests.mutations`` makes them; that takes minutes."""

from pathlib import Path

import pytest

from tests.mutations.__main__ import judge
from tests.mutations.mutation import Mutation, mutations

TEST = "tests/mutations/test_mutations.py::test_each_can_be_made"


@pytest.mark.parametrize("mutation", list(mutations()), ids=lambda each: f"{each.subject}: {each.fault}")
def test_each_can_be_made(mutation: Mutation) -> None:
    assert mutation.problem() is None


@pytest.mark.parametrize(
    ("file", "was", "becomes", "killed_by", "problem"),
    [
        ("cicscenario/none.py", "a", "b", (TEST,), "there is no cicscenario/none.py"),
        ("cicscenario/errors.py", "no such text", "b", (TEST,), "`was` occurs 0 times in cicscenario/errors.py"),
        ("cicscenario/__init__.py", '"""', "b", (TEST,), "`was` occurs 2 times in cicscenario/__init__.py"),
        ("cicscenario/errors.py", "class ExitCode", "class ExitCode", (TEST,), "`was` and `becomes` are the same"),
        (
            "cicscenario/errors.py",
            "class ExitCode",
            "class E",
            ("tests/x.py::test_x",),
            "there is no test tests/x.py::test_x",
        ),
        ("cicscenario/errors.py", "class ExitCode", "class E", (), "`killed_by` names no test"),
    ],
)
def test_what_does_not_fit_is_told(file: str, was: str, becomes: str, killed_by: tuple[str, ...], problem: str) -> None:
    assert Mutation("test", "a fault", file, was, becomes, killed_by).problem() == problem


@pytest.mark.slow
@pytest.mark.parametrize(("becomes", "word"), [("OWNER_ONLY = 384", "NOT FOUND"), ("OWNER_ONLY = 0o640", "found")])
def test_a_break_is_found_or_not(becomes: str, word: str) -> None:
    test = "tests/test_files.py::test_a_file_has_its_mode_from_the_beginning"
    assert judge(
        Mutation("test", "a fault", "cicscenario/files.py", "OWNER_ONLY = 0o600", becomes, (test,))
    ).startswith(word)


def test_a_file_of_breaks_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("- {fault: f, file: g, was: a, becomes: b, killed_by: [t], more: 1}\n")
    with pytest.raises(TypeError):
        list(mutations(tmp_path))
