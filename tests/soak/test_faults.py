"""Each kind of fault is one that the product is defended against, and the defence is tested by a break of it."""

from pathlib import Path

import yaml

from tests.soak.faults import Kind

MUTATIONS = Path(__file__).parents[1] / "mutations"


def test_every_kind_has_a_deliberate_break_of_the_defence_against_it() -> None:
    breaks = [one for path in MUTATIONS.glob("*.yaml") for one in yaml.safe_load(path.read_text("utf-8"))]
    assert {kind for one in breaks for kind in one.get("strikes", ())} == {kind.name for kind in Kind}
