"""The two HTTP services: the metadata store and the phone interface."""

import sys

import requests

from cicscenario.sandbox import nodes
from cicscenario.sandbox.daemon import Command
from cicscenario.sandbox.record import Record
from cicscenario.sandbox.services.base import ServiceDaemon, Site, form_of
from cicscenario.sandbox.services.postgres import DATABASES, PASSWORD, USER
from cicscenario.sandbox.services.redis import broker_url
from cicscenario.shell import for_daemons

_PATIENCE = 5.0  # seconds
SERVICE_CODE = "*483*46#"
_KEY, _PASSPHRASE = "meta/writer.asc", "meta/writer.passphrase"


def _request(method: str, url: str) -> requests.Response | None:
    with requests.Session() as session:
        session.trust_env = False  # ignores proxy settings of the shell: this is the loopback interface
        try:
            return session.request(method, url, timeout=_PATIENCE)
        except requests.RequestException:
            return None


class _HttpDaemon(ServiceDaemon):
    has_pace = True

    def _start(self, site: Site, *arguments: str) -> Command:
        command = [
            sys.executable, "-m", self.modules[0], "--host", nodes.HOST, "--port", str(site.port(self.name)),
            *arguments,
        ]  # fmt: skip
        return Command(command + self.options(site), for_daemons())


class MetaDaemon(_HttpDaemon):
    """The metadata store. It makes the key pair with which its clients sign."""

    name = "meta"
    modules = ("cicscenario.sandbox.meta",)
    kept = ("meta",)

    def form(self, record: Record) -> str:
        from cicscenario.sandbox.meta.store import SCHEMA

        return form_of(SCHEMA)

    def command(self, site: Site) -> Command:
        return self._start(site, "--data", str(site.folder / self.name))

    def answers(self, site: Site) -> bool:
        answer = _request("OPTIONS", f"{self.address(site)}/") if site.listens(self.name) else None
        return answer is not None and answer.status_code == requests.codes.ok

    def variables(self, site: Site) -> dict[str, str]:
        return {
            "META_URL": self.address(site),
            "META_KEY_FILE": str(site.folder / _KEY),
            "META_PASSPHRASE_FILE": str(site.folder / _PASSPHRASE),
        }

    def section(self, site: Site) -> str:
        return f"""meta:
  url: {self.address(site)}
  key: "file:{_KEY}"
  passphrase: "file:{_PASSPHRASE}"
"""


class UssdDaemon(_HttpDaemon):
    """The phone interface."""

    name = "ussd"
    needs = ("node", "redis", "postgres", "custodial", "meta")
    after = ("node", "redis", "postgres", "meta")  # it asks the engine nothing until somebody dials
    modules = ("cicscenario.sandbox.ussd",)

    def form(self, record: Record) -> str:
        from cicscenario.sandbox.ussd.database import TABLES

        return form_of(TABLES)

    def command(self, site: Site) -> Command:
        return self._start(
            site,
            "--broker", broker_url(site),
            "--database", f"postgresql://{USER}@{nodes.HOST}:{site.port('postgres')}/{DATABASES[0]}",
            "--password-file", str(site.folder / PASSWORD),
            "--chain-spec", nodes.CHAIN_SPEC, "--rpc", site.url("node"), "--registry", site.record.registry,
            "--meta", site.url("meta"), "--key", str(site.folder / _KEY),
            "--passphrase-file", str(site.folder / _PASSPHRASE),
        )  # fmt: skip

    def answers(self, site: Site) -> bool:
        answer = _request("GET", f"{self.address(site)}/health-check") if site.listens(self.name) else None
        # cic-ussd of 2021 has no health check: the server is also up when it refuses the request with this reason
        return answer is not None and (answer.text.strip() == "healthy" or answer.reason == "Play by the rules")

    def variables(self, site: Site) -> dict[str, str]:
        return {"USSD_URL": self.address(site), "USSD_SERVICE_CODE": SERVICE_CODE}

    def section(self, site: Site) -> str:
        return f"""ussd:
  url: {self.address(site)}
"""
