"""The fault switches of the command line."""

import pytest

from cicscenario.errors import InvalidError
from cicscenario.sandbox.ussd.faults import UssdFaults, parse_faults


def test_switches_are_read_by_name_and_value() -> None:
    entries = ["no-callback=0.1", "slow-callback=2", "error-every=7", "duplicate-callback=1", "meta-delay=0.5"]
    entries.append("lost-metadata=0.2")
    assert parse_faults(entries) == UssdFaults(
        no_callback=0.1, slow_callback=2, error_every=7, duplicate_callback=1, meta_delay=0.5, lost_metadata=0.2
    )
    assert parse_faults([]) == UssdFaults()


@pytest.mark.parametrize(
    "entry",
    ["no-callback", "no-callback=2", "no-callback=x", "error-every=1.5", "meta-delay=-1", "slow-callback=nan"],
)
def test_a_wrong_value_is_refused_and_what_is_expected_said(entry: str) -> None:
    with pytest.raises(InvalidError, match=f"--fault {entry}: expected a"):
        parse_faults([entry])


def test_an_unknown_fault_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(InvalidError, match="there is no fault 'no-calback'") as failure:
        parse_faults(["no-calback=1"])
    assert "no-callback, slow-callback" in str(failure.value.hint)
