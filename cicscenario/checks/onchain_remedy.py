"""The remedy of the checks that look at what one transaction for each person has done."""

from cicscenario.capabilities.remedy import Remedy
from cicscenario.checks import work


def on_chain_remedy(step: str, first: str, *, further: str | None = None, arrived: str = "") -> Remedy:
    """The step is executed again, where that is safe; ``work.sent.on_chain`` says when, and what the words are for."""
    return Remedy(
        lambda run, people, problems: work.sent.on_chain(step, first, further=further, arrived=arrived)(
            run, people, problems
        ),
        (step,),
    )
