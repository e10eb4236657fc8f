"""The clients of one environment's services: each is made when it is first used, and shared after that."""

import threading
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from cicscenario.address import public
from cicscenario.chainspec import ChainSpec
from cicscenario.errors import InvalidError, UnavailableError
from cicscenario.language import Environment, Limits, Secret
from cicscenario.transport.limits import Limit
from cicscenario.transport.traffic import Meter, Traffic

if TYPE_CHECKING:  # each is loaded when it is first needed: a scenario without phones starts without Celery
    from cicscenario.chain.session import ChainSession
    from cicscenario.services.accounts import AccountsDatabase
    from cicscenario.services.custodial.client import CustodialClient
    from cicscenario.services.custodial.comparison import ChainFacts
    from cicscenario.services.meta import MetaClient
    from cicscenario.services.ussd import UssdClient
    from cicscenario.services.ussd_tasks import UssdTasks
    from cicscenario.workers.pool import WorkerPool


class Service(StrEnum):
    """What a step or a check may need; the value is the section of the environment file that describes it."""

    CHAIN = "chain"
    CUSTODIAL = "custodial"
    USSD = "ussd"
    META = "meta"
    ACCOUNTS = "accounts"


class Connections:
    """The clients. Each property raises InvalidError when the environment does not describe its service."""

    def __init__(
        self,
        environment: Environment,
        *,
        token: str | None,
        dialect: str,
        stopping: threading.Event | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """``token`` is the symbol of the gift token, or None for the default; ``dialect`` is the phone interface's.

        Once ``stopping`` is set, every call of a client raises InterruptedRunError within a second. ``traffic`` counts their
        requests.
        """
        self.environment = environment
        self.traffic = traffic or Traffic()
        self._token = token
        self._dialect = dialect
        self._stopping = stopping

    def _missing(self, service: Service) -> InvalidError:
        return InvalidError(
            f"{self.environment.path} does not say where `{service}` is, which this scenario needs",
            hint=f"`cicscenario explain environment.{service}` shows what to add",
        )

    def _meter(self, service: Service, limits: Limits) -> Meter:
        meter = self.traffic.of(service)
        meter.limit = Limit(limits.rate, limits.burst, limits.concurrency)
        meter.retries = limits.retries
        return meter

    @property
    def spec(self) -> ChainSpec:
        """The chain spec in people's identities; a run that does not use the chain needs it, too."""
        spec = self.environment.chain_spec
        if spec is None:
            raise InvalidError(
                f"{self.environment.path} names no chain spec, which is part of people's identities",
                hint="add `spec: evm:byzantium:8996:bloxberg`, with the right chain spec, to it",
            )
        return spec

    @cached_property
    def chain(self) -> "ChainSession":
        if self.environment.chain is None:
            raise self._missing(Service.CHAIN)
        from cicscenario.chain.session import connect

        return connect(
            self.environment.chain,
            self._token,
            stopping=self._stopping,
            ca=self.environment.ca,
            meter=self._meter(Service.CHAIN, self.environment.chain.limits),
        )

    @cached_property
    def custodial(self) -> "CustodialClient":
        where = self.environment.custodial
        if where is None:
            raise self._missing(Service.CUSTODIAL)
        from cicscenario.services.custodial.client import CustodialClient

        return CustodialClient(
            where.broker,
            self.spec,
            queue=where.queue,
            callback=where.callback,
            visibility_timeout=where.visibility_timeout,
            timeout=where.timeout,
            stopping=self._stopping,
            user=where.user,
            password=_revealed(where.password),
            ca=self.environment.ca,
            meter=self._meter(Service.CUSTODIAL, where.limits),
        )

    @cached_property
    def ussd_tasks(self) -> "UssdTasks | None":
        """What cic-ussd keeps in the custodial engine's Redis; None when the environment does not say where that is."""
        if self.environment.custodial is None:
            return None
        from cicscenario.services.ussd_tasks import QUEUE, UssdTasks

        return UssdTasks(self.custodial.beside(QUEUE))

    @cached_property
    def ussd(self) -> "UssdClient":
        where = self.environment.ussd
        if where is None:
            raise self._missing(Service.USSD)
        from cicscenario.services.ussd import UssdClient
        from cicscenario.services.ussd_screens import Dialect

        return UssdClient(
            where.url,
            service_code=where.service_code,
            username=where.user,
            password=_revealed(where.password),
            timeout=where.timeout,
            dialect=Dialect(self._dialect),
            stopping=self._stopping,
            ca=self.environment.ca,
            meter=self._meter(Service.USSD, where.limits),
        )

    @cached_property
    def meta(self) -> "MetaClient":
        where = self.environment.meta
        if where is None:
            raise self._missing(Service.META)
        from cicscenario.services.meta import MetaClient

        return MetaClient(
            where.url,
            key=where.key.reveal(),
            passphrase=_revealed(where.passphrase),
            mode=where.write,
            timeout=where.timeout,
            stopping=self._stopping,
            ca=self.environment.ca,
            meter=self._meter(Service.META, where.limits),
        )

    @cached_property
    def accounts(self) -> "AccountsDatabase":
        where = self.environment.accounts
        if where is None:
            raise self._missing(Service.ACCOUNTS)
        from cicscenario.services.accounts import AccountsDatabase
        from cicscenario.services.accounts_login import read_login

        login = read_login(where, self.environment.ca)
        return AccountsDatabase(
            login.host,
            login.port,
            login.database,
            login.user,
            login.password,
            parameters=login.parameters,
            timeout=where.timeout,
            stopping=self._stopping,
            meter=self._meter(Service.ACCOUNTS, where.limits),
        )

    @cached_property
    def workers(self) -> "WorkerPool | None":
        """The workers that do slow work of this run; None when it does all by itself."""
        where = self.environment.workers
        if where is None:
            return None
        from cicscenario.workers.envelope import require_secret
        from cicscenario.workers.place import place_of
        from cicscenario.workers.pool import WorkerPool

        place = place_of(where, self.environment.ca)
        return WorkerPool(
            place.connect(self._stopping),
            require_secret(place.secret),
            patience=place.patience,
            stopping=self._stopping,
        )

    @property
    def sections(self) -> frozenset[Service]:
        """The services that the environment describes."""
        return frozenset(service for service in Service if getattr(self.environment, service) is not None)

    @property
    def pepper(self) -> str | None:
        """What PINs of the scheme ``fernet`` are encrypted with."""
        return _revealed(self.environment.accounts.pepper) if self.environment.accounts else None

    def ask(self, service: Service) -> str:
        """Asks whether the service is ready; returns one line for people. Raises CicScenarioError when it is not."""
        return _CHECKS[service](self)

    @property
    def chain_is_known(self) -> bool:
        """Whether the chain was asked for its contracts."""
        return "chain" in self.__dict__

    def requests(self) -> dict[str, int]:
        """Number of requests sent so far, by service, for those services that get requests for each person."""
        sent = {}
        if "ussd" in self.__dict__:
            sent["ussd"] = self.ussd.requests
        if "meta" in self.__dict__:
            sent["meta"] = sum(self.meta.requests.values())
        return sent

    def close(self) -> None:
        """Ends the connections that are kept open."""
        if "meta" in self.__dict__:
            self.meta.close()
        if pool := self.__dict__.get("workers"):
            pool.close()


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _chain(services: Connections) -> str:
    session = services.chain
    names = [node.name for node in session.rpc.nodes.all]
    serve = f"{names[0]} is" if len(names) == 1 else f"{', '.join(names)} are"
    left_out = "".join(f"; left out: {what}" for what in session.silent)
    return f"{serve} chain {session.chain_id}{left_out}"


def _custodial(services: Connections) -> str:
    from cicscenario.services.custodial.comparison import described, mismatches

    engine = services.custodial.survey()
    facts, trouble = None, ""
    if services.environment.chain is not None:
        try:
            facts = _chain_facts(services.chain, engine.roles)
        except UnavailableError as error:
            trouble = f"; not compared with the chain: {error.message}"
    if facts and (found := mismatches(engine, facts)):
        raise UnavailableError(
            f"the custodial engine ({services.custodial.address}) is not one for this chain: "
            + "; ".join(message for message, _ in found),
            hint="; ".join(hint for _, hint in found),
        )
    what = f", for {engine.token.symbol}" if engine.token else ""
    line = described(engine, facts.balances if facts else {})
    return f"a worker takes tasks from the {services.custodial.address}{what}: {line}{trouble}"


def _chain_facts(chain: "ChainSession", roles: Mapping[str, bytes]) -> "ChainFacts":
    from cicscenario.chain.abi import to_hex
    from cicscenario.chain.reading import numbers
    from cicscenario.services.custodial.comparison import ChainFacts

    contracts = chain.contracts
    held = numbers(chain.rpc, [("eth_getBalance", [to_hex(address), "latest"]) for address in roles.values()])
    return ChainFacts(
        node=chain.rpc.name,
        registry=contracts.registry,
        gift_token=contracts.token.address,
        gift_symbol=contracts.token.symbol,
        default_token=contracts.default_token,
        balances=dict(zip(roles, held, strict=True)),
    )


def _ussd(services: Connections) -> str:
    services.ussd.check()
    return f"{services.ussd.address} takes calls"


def _meta(services: Connections) -> str:
    services.meta.check()
    where = services.environment.meta
    return f"{where and public(where.url)} answers, and the key can sign"


def _accounts(services: Connections) -> str:
    services.accounts.check()
    return f"{services.accounts.name} has the account table"


_CHECKS: Mapping[Service, Callable[[Connections], str]] = {
    Service.CHAIN: _chain,
    Service.CUSTODIAL: _custodial,
    Service.USSD: _ussd,
    Service.META: _meta,
    Service.ACCOUNTS: _accounts,
}
