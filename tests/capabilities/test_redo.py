"""Which people a repair makes something again for, and under which purpose."""

from hypothesis import given
from hypothesis import strategies as st

from cicscenario.capabilities.redo import Redo, further_purpose


@given(st.sets(st.integers(0, 5000)), st.sets(st.integers(0, 5000)))
def test_everybody_who_was_added_is_there_in_order_and_nobody_else(first: set[int], second: set[int]) -> None:
    redo = Redo()
    for person in first:
        redo.add("gas", person)
    for person in second:
        redo.add("gas", person, further_purpose("gas", 2))
    assert list(redo.of("gas")) == sorted(first | second)
    assert len(redo.of("gas")) == len(first | second)
    assert {redo.purpose("gas", person) for person in second} <= {"gas#2"}
    assert {redo.purpose("gas", person) for person in first - second} <= {"gas"}
    assert not redo.of("gift")
    assert bool(redo) == bool(first | second)


def test_the_first_transaction_has_the_name_of_its_step() -> None:
    assert [further_purpose("gas", number) for number in (1, 2, 3)] == ["gas", "gas#2", "gas#3"]
