"""A person whose data cannot be read fails alone."""

import threading
from pathlib import Path
from typing import Any

from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.executor import Batch
from cicscenario.errors import InvalidError
from cicscenario.people.generator import Generator
from cicscenario.people.person import Person
from cicscenario.steps.population import STEP
from cicscenario.vocabulary import load_scenario
from tests.support.scenarios import written

GENERATOR = Generator(seed=1, locales=["en_US"], region="KE", languages=[("en", 1)], tags=[], gift_threshold=0)


class Changed:
    """A source in which the file of person 2 was cut short after it was opened."""

    def person(self, index: int) -> Person:
        if index == 2:
            raise InvalidError("src/AB: is not JSON in UTF-8")
        return GENERATOR.person(index)


def test_the_others_are_made(tmp_path: Path) -> None:
    scenario, nothing = load_scenario(written(tmp_path)), None
    source: Any = Changed()
    unused: Any = nothing
    context = RunContext(scenario, tmp_path, source, unused, unused, threading.Event())
    part = STEP.part(scenario)
    assert part
    made = part.executor(context, STEP.name)(Batch(range(5), ()))
    assert [person.id for person in made.people] == [0, 1, 3, 4]
    assert {outcome.person: outcome.detail for outcome in made.outcomes if not outcome.ok} == {
        2: "src/AB: is not JSON in UTF-8"
    }
    assert {outcome.person for outcome in made.outcomes if outcome.ok} == {0, 1, 3, 4}
