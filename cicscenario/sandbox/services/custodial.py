"""The custodial engine: a Celery worker with the task names of cic-eth."""

import contextlib
import os
import sys

from cicscenario.sandbox import nodes
from cicscenario.sandbox.daemon import Command, Daemon
from cicscenario.sandbox.services.base import ServiceDaemon, Site
from cicscenario.sandbox.services.node import owner_file
from cicscenario.sandbox.services.postgres import PASSWORD
from cicscenario.sandbox.services.redis import broker_url

QUEUE = "cic-eth"
#: Source: ``TASKS_TRANSFER_CALLBACKS`` of the stack's own deployment.
_TRANSFER_CALLBACK = "cic-ussd:cic_ussd.tasks.callback_handler.transaction_callback"
_PATIENCE = 2.0  # seconds


class CustodialDaemon(ServiceDaemon):
    name = "custodial"
    needs = ("node", "redis", "postgres")
    modules = ("celery", "cryptography")

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
        return Command(command + site.record.options.get(self.name, []), dict(os.environ))

    def answers(self, site: Site) -> bool:
        """The engine tells Redis every second that its processes live, and forgets it when they do not."""
        from redis import Redis
        from redis.exceptions import RedisError

        pid = Daemon(self.name, site.folder).pid()
        client = Redis.from_url(broker_url(site), socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE)
        try:
            return pid is not None and _lives(pid) and client.get(alive_key(QUEUE)) == str(pid).encode()
        except RedisError:
            return False
        finally:
            client.close()

    def address(self, site: Site) -> str:
        return f"{broker_url(site)} {QUEUE}"

    def section(self, site: Site) -> str:
        return f"""custodial:
  broker: {broker_url(site)}
  queue: {QUEUE}
"""


def _lives(pid: int) -> bool:
    """Says whether the engine itself is there: its workers hold its lock for a moment longer when it is killed."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # when this process started it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def alive_key(queue: str) -> str:
    """Where in Redis the engine writes its process id, for a few seconds at a time."""
    return f"{queue}.engine.alive"
