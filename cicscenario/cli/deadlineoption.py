"""The value of --deadline: the time for a whole command, in seconds, as the scenario language has all times."""

from cicscenario.engine.deadline import Deadline
from cicscenario.errors import InvalidError
from cicscenario.language.amounts import amount, written

LONGEST = 2_592_000  # seconds, thirty days


def deadline_of(text: str | None) -> Deadline | None:
    """The deadline of a command that begins now. Raises InvalidError for what is not a number of seconds."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        meant = amount(text, "seconds")
        hint = f"write --deadline {written(meant)}" if meant else "write a number of seconds, such as --deadline 600"
        raise InvalidError(f"--deadline: expected seconds, found {text!r}", hint=hint) from None
    if not 0 < seconds <= LONGEST:
        raise InvalidError(
            f"--deadline: expected more than 0 and at most {LONGEST:,} seconds, found {text}",
            hint="without --deadline, a command takes the time that it needs",
        )
    return Deadline(seconds)
