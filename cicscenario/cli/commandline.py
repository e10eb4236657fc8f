"""What the command line says, as it may be shown: how it names a run, and the command as it was given."""

import re
import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from cicscenario.invocation import NamedRun, choose_run, chosen_run, name_run

_ONCE = ("--fresh", "--reconcile")  # options for a single run
_PRIVATE_KEY = re.compile(r"(?<![0-9a-fA-F])(?:0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_STARS = re.compile(r"\*{3,}")
_HIDDEN = "***"


def about(
    scenario: Path,
    overrides: Sequence[str],
    *,
    env: str | None = None,
    directory: Path | None = None,
    node: str | None = None,
    contracts: str | None = None,
    recalls: bool = False,
) -> None:
    """Says which run the command is about, for every command that is shown from now on.

    ``recalls``: it does not take all the options that the others do, and the run's state has the rest.
    """
    sets = tuple(_without_secrets(value) for value in overrides)
    name_run(
        NamedRun(str(scenario), sets, env, None if directory is None else str(directory), node, contracts, recalls)
    )


def choose(values: Sequence[str]) -> None:
    """From now on, commands are about the one combination of a matrix that these values for --set choose; none: about all."""
    choose_run(map(_without_secrets, values))


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
            found.append(_without_secrets(word))
        elif word.startswith("--set="):
            found.append(f"--set={_without_secrets(word.removeprefix('--set='))}")
        else:
            found.append(_PRIVATE_KEY.sub(_HIDDEN, word))
    return found


def _without_secrets(override: str) -> str:
    from cicscenario.language.redaction import redact  # not above: help is to be fast

    return _STARS.sub(_HIDDEN, redact(_PRIVATE_KEY.sub(_HIDDEN, override)))
