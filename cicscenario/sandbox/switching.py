"""Changes the fault switches of a sandbox that runs."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cicscenario.errors import UnavailableError
from cicscenario.sandbox.stack import locked


def change_faults(
    home: Path, services: Iterable[str] | None, change: Callable[[str, Sequence[str]], list[str]]
) -> list[str]:
    """Starts services of the sandbox again whose options ``change`` (from name and options) changes; gives their names.

    ``services`` are those to look at, None for all that are up. The check of names and values is the caller's. Raises
    UnavailableError, before it changes anything, when one of them is not up.
    """
    with locked(home) as box:
        record, running = box.record(), box.running()
        asked = sorted(running) if services is None else list(services)
        assert record is not None, "a sandbox that is up has a record"
        if absent := [name for name in asked if name not in running]:
            raise UnavailableError(
                f"not up in this sandbox: {', '.join(absent)}",
                hint=f"start it: cicscenario stack up --service {absent[0]}",
            )
        options = {name: change(name, record.options.get(name, [])) for name in asked}
        changed = {name: words for name, words in options.items() if words != record.options.get(name, [])}
        if changed:
            box.start_with(changed)
    return list(changed)
