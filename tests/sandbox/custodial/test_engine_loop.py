"""The engine's loop leaves time between its turns, so that one turn does what has come from many people."""

import pytest

from cicscenario.sandbox.custodial.engine import pause_after


@pytest.mark.parametrize(
    ("took", "pause"), [(0.0, 0.05), (0.005, 0.045), (0.01, 0.04), (0.02, 0.08), (0.1, 0.4), (0.2, 0.5), (60.0, 0.5)]
)
def test_a_pause_is_four_times_its_turn_neither_very_short_nor_longer_than_half_a_second(
    took: float, pause: float
) -> None:
    assert pause_after(took) == pytest.approx(pause)
