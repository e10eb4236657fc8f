"""One filled stack, as a test has it: its people, and connections to its services."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import requests

from cicscenario.api.phone import dialled
from cicscenario.api.scenario import LoadedScenario
from cicscenario.errors import InvalidError
from cicscenario.people.person import checksum
from cicscenario.sandbox.record import ENVIRONMENT
from cicscenario.sandbox.seen import look, variables
from cicscenario.sandbox.services.base import Site
from cicscenario.sandbox.services.postgres import DATABASES, login
from cicscenario.sandbox.services.redis import broker_url

if TYPE_CHECKING:  # each is loaded when a test first asks for it
    from psycopg2.extensions import connection
    from redis import Redis
    from web3 import Web3

    from cicscenario.api.people import Participant

_PATIENCE = 30.0  # seconds for one answer
_PAGE = 1000  # keys that are asked for at once


class ServiceSession(requests.Session):
    """A requests session for one service: paths are relative to its ``address``. Proxies of the shell are not used."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.trust_env = False

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", _PATIENCE)
        return super().request(method, urljoin(f"{self.address}/", _text(url)), *args, **options)


def _text(url: str | bytes) -> str:
    text = url.decode() if isinstance(url, bytes) else url
    return text if "://" in text else text.lstrip("/")


class Stack:
    """A stack with the people of a scenario. It is up until the session ends, and all tests of a process share it.

    Each connection is made when it is first asked for. Raises InvalidError for a service that the stack does not have.
    """

    def __init__(self, scenario: LoadedScenario, home: Path, *, restored: bool) -> None:
        self.scenario = scenario
        self.home = home
        self.restored = restored  #: whether it was made from a snapshot, and no step was executed
        self._site = look(home)
        self._closing: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<stack of {self.scenario.name} in {self.home}>"

    @property
    def environment(self) -> Path:
        """Its environment file, for ``cicscenario`` and ``cicscenario.load``."""
        return self._site.folder / ENVIRONMENT

    @property
    def variables(self) -> dict[str, str]:
        """Every address, user, and file of a password, as ``cicscenario stack env`` prints them."""
        return variables(self.home)

    @cached_property
    def people(self) -> "tuple[Participant, ...]":
        """The people in order, also with the keys that the custodial engine holds. For very many, see ``scenario.people``."""
        people = tuple(self.scenario.people())
        if "custodial" not in self._site.running:
            return people
        held = _held(self._site, [one.address for one in people if one.address and one.key is None])
        return tuple(replace(one, key=one.key or held.get(one.address or "")) for one in people)

    def person(self, phone: str) -> "Participant":
        """The person with this phone number, such as +254712345678. Raises InvalidError when nobody has it."""
        found = next((one for one in self.people if one.phone == phone), None)
        if found is None:
            raise InvalidError(f"nobody in {self} has the phone number {phone}")
        return found

    @cached_property
    def web3(self) -> "Web3":
        """Connected to the chain."""
        from web3 import HTTPProvider, Web3

        session = ServiceSession(self._url("node"))
        self._closing.append(session.close)
        return Web3(HTTPProvider(self._url("node"), session=session))

    @cached_property
    def contracts(self) -> dict[str, str]:
        """Addresses with checksum: of the ``registry``, the gift's ``token``, and the ``accounts_index``."""
        from cicscenario.chain.session import connect
        from cicscenario.language import load_environment

        where = load_environment(self.environment).chain
        assert where is not None
        found = connect(where, self.scenario.model.gift.token).contracts
        addresses = {"registry": found.registry, "token": found.token.address, "accounts_index": found.accounts_index}
        return {name: checksum(address) for name, address in addresses.items()}

    def postgres(self, database: str = DATABASES[0]) -> "connection":
        """A new connection to a database: cic_ussd (unless another is named), cic_eth or cic_signer.

        It is closed at the end of the session.
        """
        import psycopg2

        self._require("postgres")
        made: connection = psycopg2.connect(**login(self._site, database))
        self._closing.append(made.close)
        return made

    @cached_property
    def redis(self) -> "Redis":
        """The custodial engine's Redis: queues, results and callbacks."""
        from redis import Redis

        self._require("redis")
        made = Redis.from_url(broker_url(self._site), socket_timeout=_PATIENCE)
        self._closing.append(made.close)
        return made

    @cached_property
    def ussd(self) -> ServiceSession:
        """Requests to the phone interface: ``stack.ussd.post("/", …)``. For what a phone does, see ``dial``."""
        return self._session("ussd")

    @cached_property
    def meta(self) -> ServiceSession:
        """Requests to the metadata store: ``stack.meta.get(pointer)``."""
        return self._session("meta")

    def dial(self, phone: str, inputs: str = "") -> str:
        """Dials for ``phone`` and enters ``inputs``, such as ``"2*1"``; gives the last screen, as the phone shows it."""
        self._require("ussd")
        return dialled(self.home, phone, inputs)

    def close(self) -> None:
        """Closes all connections. The services stay up."""
        for close in self._closing:
            with suppress(Exception):  # it may be broken, which is no matter now
                close()

    def _session(self, service: str) -> ServiceSession:
        made = ServiceSession(self._url(service))
        self._closing.append(made.close)
        return made

    def _url(self, service: str) -> str:
        self._require(service)
        return self._site.url(service)

    def _require(self, service: str) -> None:
        if service not in self._site.running:
            raise InvalidError(
                f"{self} has no {service}, which its scenario does not need",
                hint=f'ask for it: cic_stack(…, services=["{service}"])',
            )


def _held(site: Site, addresses: list[str]) -> dict[str, bytes]:
    """The private keys that the custodial engine holds for these accounts, by address with checksum."""
    from psycopg2.extensions import make_dsn

    from cicscenario.sandbox.custodial.vault import Vault, read_secret

    vault = Vault(make_dsn(**login(site, "cic_signer")), read_secret(site.folder / "custodial"))
    try:
        found: dict[str, bytes] = {}
        for first in range(0, len(addresses), _PAGE):
            page = {address.removeprefix("0x").lower(): address for address in addresses[first : first + _PAGE]}
            found |= {page[bare]: key for bare, key in vault.keys(page).items()}
        return found
    finally:
        vault.close()
