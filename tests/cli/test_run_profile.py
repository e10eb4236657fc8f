"""A run whose people are drawn from a profile: from the plan to the export, on a whole sandbox."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicscenario.language.profiles import load_profile
from cicscenario.resources import profile_path
from cicscenario.sandbox import stack
from cicscenario.state.store import STATE, Store
from tests.support.commands import cicscenario
from tests.support.recordings import validated

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SCENARIO = """\
version: 1
name: village
population: {size: 24, seed: 5, profile: sarafu-2020}
gift: {threshold: 200}
backend: {kind: eth, keystore: {kdf: none}}
metadata: [person, phone, preferences]
environment: sandbox
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    stack.down(tmp_path / "home", purge=True)


def test_people_of_a_profile_arrive_and_are_told_and_exported(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "village.yaml"
    path.write_text(SCENARIO)
    ran = cicscenario(home, "run", str(path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    shipped = profile_path("sarafu-2020")
    assert shipped
    profile = load_profile(shipped)
    place = home / "runs" / "village"
    report = validated(json.loads((place / "report.json").read_text()))
    assert report["profile"]["digest"] == profile.digest
    assert "Profile sarafu-2020, 19,753 people" in (place / "report.html").read_text()
    store = Store(place / STATE)
    people = list(store.all_people())
    store.close()
    assert len(people) == 24
    assert {one.document["location"]["area_name"] for one in people} <= set(profile.places)
    assert {one.language for one in people} == {"en", "sw"}

    grown = cicscenario(home, "run", str(path), "--set", "population.size=30")
    assert grown.returncode == 0, grown.stdout + grown.stderr
    store = Store(place / STATE)
    assert list(store.all_people())[:24] == people, "the people who were there stay the same"
    store.close()
    other = cicscenario(home, "run", str(path), "--set", "population.profile=uniform", "--set", "population.size=30")
    assert other.returncode == 4
    assert "population.profile: 'sarafu-2020' in the state, 'uniform' now" in other.stdout + other.stderr

    exported = cicscenario(home, "export", str(path), str(tmp_path / "data"))
    assert exported.returncode == 0, exported.stderr
    measured = cicscenario(home, "profile", str(tmp_path / "data"), "-o", str(tmp_path / "measured.yaml"))
    assert measured.returncode == 0, measured.stderr
    assert load_profile(tmp_path / "measured.yaml").people == 30
