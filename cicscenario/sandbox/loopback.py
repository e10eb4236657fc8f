"""Nothing of the sandbox can be reached from elsewhere."""

import ipaddress

from cicscenario.errors import InvalidError


def require_loopback(host: str, service: str) -> None:
    """Raises InvalidError for a host that others could reach."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidError(f"--host {host}: the {service} listens on loopback only", hint="Use 127.0.0.1.")
