"""A failing case is made as small as it can be while it still fails."""

from tests.soak.faults import Fault, Kind
from tests.soak.seeds import Case
from tests.soak.shrink import shrunk

FAULTS = tuple(Fault(at, Kind.KILL) for at in range(10))


def test_only_the_faults_that_matter_are_left() -> None:
    case = shrunk(Case(1, "eth", 50, FAULTS, 2), lambda case: {FAULTS[3], FAULTS[7]} <= set(case.faults))
    assert case == Case(1, "eth", 1, (FAULTS[3], FAULTS[7]))


def test_only_the_people_who_are_needed_are_left() -> None:
    assert shrunk(Case(1, "eth", 50, FAULTS), lambda case: case.size >= 7) == Case(1, "eth", 7, ())


def test_a_case_can_be_pasted() -> None:
    for case in (
        Case(1, "eth", 50, FAULTS, 2),
        Case(2, "cic_eth", 20, (Fault(4, Kind.LATE, 7),)),
        Case(3, "eth", 1, ()),
    ):
        assert eval(repr(case), {"Case": Case, "Fault": Fault, "Kind": Kind}) == case
