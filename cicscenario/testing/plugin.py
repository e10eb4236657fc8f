"""What pytest loads: the fixture ``cic_stack``. See docs/pytest.md.

Nothing else is loaded until a test asks for it, since every session of an environment with cicscenario loads this module.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cicscenario.testing.stacks import Stacks

_FOLDER = "cicscenario"  # in the cache of pytest


@pytest.fixture(scope="session")
def cic_stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Stacks"]:
    """Gives stacks: ``stack = cic_stack("scenarios/ussd-100.yaml")``. Each is up until the session ends.

    The path is relative to the root directory of the session. A stack is filled by a run of its scenario, and from a snapshot of
    that when nothing has changed since.
    """
    from cicscenario.loading import loading

    with loading():
        from cicscenario.testing.stacks import Stacks

    cache = getattr(request.config, "cache", None)  # without: -p no:cacheprovider
    stacks = Stacks(
        request.config.rootpath,
        cache.mkdir(_FOLDER) if cache else None,
        lambda: tmp_path_factory.mktemp("cic_stack"),
        _teller(request.config),
    )
    try:
        yield stacks
    finally:
        stacks.close()


def _teller(config: pytest.Config) -> Callable[[str], None]:
    """What writes a line to the terminal, past pytest's capturing."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capturing = config.pluginmanager.get_plugin("capturemanager")

    def tell(line: str) -> None:
        if reporter is None:  # in a worker of xdist
            return
        if capturing is None:
            reporter.write_line(line)
            return
        with capturing.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)

    return tell
