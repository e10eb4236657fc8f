"""Says which passwords of an environment would go over the network in clear text."""

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from cicscenario.connections import Service
from cicscenario.language import Environment
from cicscenario.transport.redisaddress import RedisAddress

_ENCRYPTED = ("require", "verify-ca", "verify-full")  # values of sslmode


def in_clear_text(environment: Environment, needed: Collection[Service]) -> list[str]:
    """A line for each needed service whose password others on the way can read."""
    return [
        f"the password for {service.value} goes to {host} in clear text: {instead} keeps it from others on the way"
        for service, host, instead in dict.fromkeys(_sent(environment))
        if service in needed and not _is_here(host)
    ]


def _sent(environment: Environment) -> Iterator[tuple[Service, str, str]]:
    """The service, the host, and what would encrypt it, of each password that is sent without TLS."""
    custodial, accounts, ussd = environment.custodial, environment.accounts, environment.ussd
    if custodial:
        redis = RedisAddress.parse(custodial.broker)
        if (redis.password or custodial.password) and not redis.secure and not redis.path:
            yield Service.CUSTODIAL, redis.host, "rediss://"
    if accounts and accounts.require_auth == "password" and accounts.sslmode not in _ENCRYPTED:
        yield Service.ACCOUNTS, accounts.host or "the server of the service file", "`sslmode: verify-full`"
    if ussd and ussd.password and ussd.url.startswith("http:"):
        yield Service.USSD, urlsplit(ussd.url).hostname or "", "https://"
    for url in environment.chain.rpc if environment.chain else ():
        parts = urlsplit(url)
        if parts.password and parts.scheme == "http":
            yield Service.CHAIN, parts.hostname or "", "https://"


def _is_here(host: str) -> bool:
    """Whether what is sent to a host stays on this machine."""
    if host.startswith("/") or host == "localhost":  # a Unix socket, or this machine
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
