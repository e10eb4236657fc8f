"""The people of one batch who wait for their phone pointers, with what is known of each."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from cicscenario.backends.work.choices import Choice
from cicscenario.people.person import Person


@dataclass
class WaitingPeople:
    """They are in ``queue``.

    ``earlier`` are those who requested an account in an earlier run, ``again`` those who have chosen again in this one,
    ``registered`` those whom the interface knows. ``choices`` is what was last found out about each.
    ``tasker_worked`` has the instant since when the tasker was seen to work while the person's report was nowhere.
    """

    queue: deque[Person]
    earlier: frozenset[int]
    registered: set[int]
    again: set[int] = field(default_factory=set)
    choices: dict[int, Choice] = field(default_factory=dict)
    tasker_worked: dict[int, float] = field(default_factory=dict)

    def end(self, people: Sequence[Person]) -> None:
        gone = {person.id for person in people}
        self.queue = deque(person for person in self.queue if person.id not in gone)
