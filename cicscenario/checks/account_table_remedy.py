"""The remedy of the checks that look at the phone interface's account table."""

from cicscenario.capabilities.remedy import Remedy
from cicscenario.checks import work


def account_table_remedy(step: str, how: str) -> Remedy:
    """The step is executed again, where that is safe; ``work.account_table.written_again`` says when."""
    return Remedy(
        lambda run, people, problems: work.account_table.written_again(step, how)(run, people, problems), (step,)
    )
