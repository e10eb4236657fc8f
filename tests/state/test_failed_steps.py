"""Who failed a step is read a page at a time, and nobody is left out where a page ends."""

from pathlib import Path

import pytest

from cicscenario.state import findingtable
from cicscenario.state.rows import Outcome
from cicscenario.state.store import Store


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5, 100])
def test_nothing_is_left_out_where_a_page_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(findingtable, "PAGE", page)
    failed = {("gas", 1), ("gift", 1), ("gift", 2), ("gas", 3), ("gift", 3), ("pins", 3), ("gas", 4)}
    store = Store(tmp_path / "state.sqlite")
    for step, number in failed:
        store.commit(step, [Outcome(number, ok=False, detail="away")])
    found = [(one.name, one.person) for one in store.failed([])]
    store.close()
    assert sorted(found) == sorted(failed)
