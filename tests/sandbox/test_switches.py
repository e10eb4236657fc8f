"""Fault switches: every name is known, every value is checked before a service is touched, and one change leaves the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicscenario.errors import InvalidError
from cicscenario.sandbox.faultnames import FAULTS
from cicscenario.sandbox.switches import (
    check_faults,
    cleared_faults,
    name_of,
    set_faults,
    switched_on,
    with_faults,
)

#: A value that each fault takes, empty for none, and values that it does not take.
SHARE = ("0.5", ("1.5", "-0.1", "x", "nan"))
COUNT = ("3", ("x", "-1", "1.5", ""))
SECONDS = ("0.5", ("x", "-1", "nan", "inf"))
FLAG = ("", ("1", "yes"))
VALUES = {
    "custodial.drop-callback": SHARE,
    "custodial.duplicate-callback": SHARE,
    "custodial.delay": SECONDS,
    "custodial.fail-task": ("cic_eth.eth.account.create", ("",)),
    "custodial.revert-registration": FLAG,
    "custodial.die-after": COUNT,
    "custodial.signer-down": FLAG,
    "custodial.nonce-hole": COUNT,
    "custodial.gas-nonce-hole": COUNT,
    "custodial.gifter-balance": COUNT,
    "custodial.pause": ("2@5", ("x", "2@", "2@x", "0", "-1@3")),
    "custodial.visibility-timeout": ("5", ("x", "0", "")),
    "meta.strict": FLAG,
    "meta.parallel-put-hang": FLAG,
    "meta.truncate-non-ascii": FLAG,
    "meta.expired-key": FLAG,
    "meta.error-every": COUNT,
    "meta.drop-every": COUNT,
    "meta.delay": SECONDS,
    "ussd.no-callback": SHARE,
    "ussd.slow-callback": SECONDS,
    "ussd.duplicate-callback": SHARE,
    "ussd.lost-metadata": SHARE,
    "ussd.error-every": COUNT,
    "ussd.meta-delay": SECONDS,
}


def test_every_fault_is_tried_here() -> None:
    assert VALUES.keys() == FAULTS.keys()


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_checked_as_the_service_does(name: str) -> None:
    good, bad = VALUES[name]
    check_faults([f"{name}={good}" if good else name])
    for value in bad:
        with pytest.raises(InvalidError) as refused:
            check_faults([f"{name}={value}"])
        assert refused.value.message.startswith(f"the fault {name}={value}: ")
        assert "could not convert" not in refused.value.message, "in words for people"
        assert refused.value.hint == f"{name}: {FAULTS[name]}"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("signer-down", "not a fault: 'signer-down'"),
        ("custodial.", "not a fault"),
        ("custodial.explode", "there is no fault 'custodial.explode'"),
        ("node.delay=1", "there is no fault 'node.delay'"),
        ("printer.delay", "there is no fault 'printer.delay'"),
    ],
)
def test_an_unknown_name_is_refused_with_those_there_are(wrong: str, said: str) -> None:
    with pytest.raises(InvalidError, match=said) as refused:
        check_faults(["meta.strict", wrong])
    assert "custodial.signer-down" in (refused.value.hint or "")


FAULT = st.sampled_from([f"{name}={good}" if good else name for name, (good, _) in VALUES.items() if "meta." in name])


@given(st.lists(FAULT, unique=True), st.lists(FAULT, min_size=1, unique=True))
def test_what_is_set_is_on_and_what_is_cleared_is_off_and_the_rest_stays(before: list[str], given: list[str]) -> None:
    options = [*with_faults("meta", [], before), "--dialect", "2021"]
    on = set_faults("meta", options, given)
    assert set(switched_on("meta", on)) == {*before, *given}
    off = cleared_faults("meta", on, {name_of(fault) for fault in given})
    assert switched_on("meta", off) == [fault for fault in before if fault not in given]
    assert switched_on("meta", cleared_faults("meta", on, None)) == []
    for changed in (on, off):
        assert changed[-2:] == ["--dialect", "2021"]


def test_a_value_that_is_set_replaces_the_one_before_and_repeated_ones_stay_together() -> None:
    options = with_faults("custodial", [], ["custodial.delay=1", "custodial.nonce-hole=1"])
    changed = set_faults("custodial", options, ["custodial.nonce-hole=3", "custodial.nonce-hole=4", "meta.strict"])
    assert changed == ["--fault", "delay=1", "--fault", "nonce-hole=3", "--fault", "nonce-hole=4"]
