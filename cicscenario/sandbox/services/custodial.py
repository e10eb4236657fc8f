"""The custodial engine: Celery workers with the task names of cic-eth."""

import contextlib
import os
import sys

from cicscenario.sandbox import nodes
from cicscenario.sandbox.daemon import Command, Daemon
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services.base import ServiceDaemon, Site, form_of
from cicscenario.sandbox.services.node import owner_file
from cicscenario.sandbox.services.postgres import PASSWORD
from cicscenario.sandbox.services.redis import broker_url, replies
from cicscenario.shell import for_daemons

QUEUE = "cic-eth"
#: Source: ``TASKS_TRANSFER_CALLBACKS`` of the stack's own deployment.
_TRANSFER_CALLBACK = "cic-ussd:cic_ussd.tasks.callback_handler.transaction_callback"


class CustodialDaemon(ServiceDaemon):
    name = "custodial"
    needs = after = ("node", "redis", "postgres")
    modules = ("celery", "cryptography")
    has_pace = True
    kept = ("custodial",)

    def form(self, record: Record) -> str:
        from cicscenario.sandbox.custodial.database import SCHEMA
        from cicscenario.sandbox.custodial.vault import SCHEMA as KEYS

        return form_of(SCHEMA + KEYS)

    def command(self, site: Site) -> Command:
        command = [
            sys.executable, "-m", "cicscenario.sandbox.custodial",
            "--broker", broker_url(site), "--queue", QUEUE,
            "--database", f"postgresql://cicscenario@{nodes.HOST}:{site.port('postgres')}",
            "--password-file", str(site.folder / PASSWORD),
            "--rpc", site.url("node"), "--chain-spec", nodes.CHAIN_SPEC, "--registry", site.record.registry,
            "--owner-key", str(owner_file(site)), "--data", str(site.folder / self.name),
        ]  # fmt: skip
        if "ussd" in site.running:
            command += ["--transfer-callbacks", _TRANSFER_CALLBACK]
        return Command(command + self.options(site), for_daemons())

    def answers(self, site: Site) -> bool:
        """Whether the engine's heartbeat key in Redis, which expires after some seconds, has its process id."""
        if (pid := Daemon(self.name, site.folder).pid()) is None or not _is_running(pid):
            return False
        return replies(site, f"GET {heartbeat_key(QUEUE)}", f"${len(str(pid))}", str(pid))

    def address(self, site: Site) -> str:
        return f"{broker_url(site)} {QUEUE}"

    def variables(self, site: Site) -> dict[str, str]:
        return {"CUSTODIAL_BROKER": broker_url(site), "CUSTODIAL_QUEUE": QUEUE}

    def section(self, site: Site) -> str:
        return f"""custodial:
  broker: {broker_url(site)}
  queue: {QUEUE}
"""


def _is_running(pid: int) -> bool:
    """Whether the engine's main process exists: after a kill, its workers still hold its lock for a moment."""
    with contextlib.suppress(ChildProcessError):  # raised when another process started the engine
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists, and runs as another user
        return True
    return True


def heartbeat_key(queue: str) -> str:
    """The Redis key in which the engine writes its process id every second; it expires after a few seconds."""
    return f"{queue}.engine.alive"
