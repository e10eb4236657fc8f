"""Which run this process is about, as commands that are shown name it: without secrets."""

import re
from collections.abc import Sequence
from pathlib import Path

from cicscenario.invocation import NamedRun, name_run

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
    pace: str | None = None,
    recalls: bool = False,
) -> None:
    """Says which run this process is about, for every command that is shown from now on: in errors, hints and reports.

    ``recalls``: it does not take all the options that the others do, and the run's state has the rest.
    """
    sets = tuple(without_secrets(value) for value in overrides)
    name_run(
        NamedRun(
            str(scenario), sets, env, None if directory is None else str(directory), node, contracts, pace, recalls
        )
    )


def without_keys(text: str) -> str:
    """``text`` without private keys."""
    return _PRIVATE_KEY.sub(_HIDDEN, text)


def without_secrets(override: str) -> str:
    """A value for ``--set`` without secrets."""
    from cicscenario.language.redaction import redact  # not above: help is to be fast

    return _STARS.sub(_HIDDEN, redact(without_keys(override)))
