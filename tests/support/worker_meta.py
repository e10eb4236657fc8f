"""A metadata server for workers and runs, each with clients of its own."""

from types import SimpleNamespace
from typing import Any

from cicscenario.services.meta import MetaClient
from tests.support.openpgp_keys import PASSPHRASE, WRITER
from tests.support.stub_meta import StubMeta
from tests.support.valkey import Valkey
from tests.support.worker_hands import Hand


class ClientsMeta(StubMeta):
    """A metadata server, and its clients, which are closed with it."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: list[MetaClient] = []

    def client(self, host: str = "127.0.0.1") -> MetaClient:
        url = self.url.replace("127.0.0.1", host)
        options: Any = {"pauses": (0.0, 0.01), "looks": (0.0, 0.02), "timeout": 5}
        self._clients.append(MetaClient(url, key=WRITER, passphrase=PASSPHRASE, **options))
        return self._clients[-1]

    def __exit__(self, *error: object) -> None:
        for client in self._clients:
            client.close()
        super().__exit__(*error)


def services(meta: ClientsMeta) -> Any:
    return SimpleNamespace(meta=meta.client())


def writer(valkey: Valkey, meta: ClientsMeta) -> Hand:
    return Hand(valkey, services(meta), sections=["meta"])
