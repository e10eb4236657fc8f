"""What the command line says, as it may be shown: the command as it was given, and the run of a matrix that it is about."""

import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise

from cicscenario.api.naming import without_keys, without_secrets
from cicscenario.invocation import choose_run, chosen_run

_ONCE = ("--fresh", "--reconcile")  # options for a single run


def choose(values: Sequence[str]) -> None:
    """From now on, commands are about the one combination of a matrix that these values for --set choose; none: about all."""
    choose_run(map(without_secrets, values))


def as_given() -> str:
    """The command that resumes: the given one without options for a single run, such as --fresh, and without secrets."""
    words = [word for word in sys.argv[1:] if word not in _ONCE]
    if "--fresh" in sys.argv:
        words = [word for word in words if word != "--yes"]  # it was the answer to a question that is not asked again
    words = shown(words)
    more = [word for value in chosen_run() if value not in words for word in ("--set", value)]
    if "--" in words:
        return shlex.join(["cicscenario", *words[:1], *more, *words[1:]])
    return shlex.join(["cicscenario", *words, *more])


def agreeing() -> str:
    """The command as it was given, without secrets, with the option that says yes."""
    return shlex.join(["cicscenario", *shown(sys.argv[1:]), "--yes"])


def shown(words: Sequence[str]) -> list[str]:
    """The words of a command line without the secrets in values of --set, and without private keys anywhere."""
    found = []
    for before, word in pairwise(["", *words]):
        if before == "--set":
            found.append(without_secrets(word))
        elif word.startswith("--set="):
            found.append(f"--set={without_secrets(word.removeprefix('--set='))}")
        else:
            found.append(without_keys(word))
    return found
