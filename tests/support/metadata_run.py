"""Runs the metadata steps and checks of sovereign people against a metadata server, without a chain.

As a program: ``python -m tests.support.metadata_run FOLDER URL SIZE``, to be killed.
"""

import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cicscenario.backends.work.eth import EthBackend
from cicscenario.capabilities.context import RunContext
from cicscenario.capabilities.readback import ReadBack
from cicscenario.chainspec import ChainSpec
from cicscenario.engine.events import Event
from cicscenario.engine.progress import Progress
from cicscenario.engine.runner import Runner
from cicscenario.engine.verify import verify
from cicscenario.plan.compile import compile_plan
from cicscenario.services.meta import MetaClient
from cicscenario.state.rows import CheckRow
from cicscenario.state.store import STATE, Store
from cicscenario.transport.traffic import Traffic
from cicscenario.vocabulary import load_scenario
from tests.support.openpgp_keys import PASSPHRASE, WRITER

KINDS = ("metadata", "metadata_phone", "metadata_preferences", "metadata_custom")
_STEPS = ("population", "accounts", *KINDS)


class MetadataRun:
    """One process: its client, and the state in ``folder``. ``told`` are the lines for the user."""

    def __init__(self, folder: Path, url: str, size: int, **options: Any) -> None:
        folder.mkdir(exist_ok=True)
        path = folder / "people.yaml"
        path.write_text(
            f"version: 1\nname: people\npopulation: {{size: {size}, seed: 7}}\nbackend: eth\n"
            "metadata: [person, phone, preferences, custom]\n"
        )
        self.plan = compile_plan(load_scenario(path))
        self.stopping = threading.Event()
        self.store = Store(folder / STATE)
        self.events: list[Event] = []
        self.told: list[str] = []
        mode = options.get("mode", "one-step")
        self.meta = MetaClient(url, key=WRITER, passphrase=PASSPHRASE, stopping=self.stopping, **options)
        environment = SimpleNamespace(meta=SimpleNamespace(write=mode))
        spec = ChainSpec.parse("evm:byzantium:8996:bloxberg")
        services: Any = SimpleNamespace(meta=self.meta, spec=spec, environment=environment, traffic=Traffic())
        self.context = RunContext(
            self.plan.scenario,
            folder,
            self.plan.population,
            services,
            self.store,
            self.stopping,
            read_back=ReadBack(),
            tell=self.told.append,
        )

    def __enter__(self) -> "MetadataRun":
        return self

    def __exit__(self, *_: object) -> None:
        self.meta.close()
        self.store.close()

    def steps(self, *names: str, batch: int = 100) -> None:
        context = replace(self.context, opened=EthBackend(self.context))
        progress = Progress((step.name for step in self.plan.steps), self.plan.size, self.store.counts())
        Runner(self.plan, context, progress, self.events.append, only=names or _STEPS, batch=batch).run()

    def checks(self, *, again: bool = False) -> list[CheckRow]:
        """The metadata checks; with ``again`` as another process makes them."""
        checks = [check for check in self.plan.checks if check.name in KINDS]
        context = replace(self.context, read_back=ReadBack()) if again else self.context
        return verify(checks, context, self.plan.size, self.events.append)


if __name__ == "__main__":
    with MetadataRun(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])) as run:
        run.steps()
