"""Whom the HTTP servers of this package answer: programs of this machine, and no page of a web site that its user looks at.

A browser lets any page send requests to loopback. It then tells the page's own address in Origin, or that the page is of
another site in Sec-Fetch-Site. A page whose name is suddenly that of 127.0.0.1 (DNS rebinding) gives itself away by Host.
Programs send Host with the address that they were given, and neither of the others. Sources: RFC 6454, the Fetch standard and
W3C's Fetch Metadata.
"""

import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

_OWN_SITE = ("same-origin", "none")  # of Sec-Fetch-Site: the server's own page, or an address that was typed
#: The values of a header, which may be there any number of times.
Header = Callable[[str], Sequence[str]]


def refusal(header: Header, *, local_pages: bool) -> str | None:
    """Why a request is not answered; None when it is.

    ``local_pages``: those that another server of this machine has are answered, too, as a web application needs it.
    A port in Host may be another than the server's own: that of a tunnel.
    """
    hosts, origins, sites = header("Host"), header("Origin"), header("Sec-Fetch-Site")
    if len(hosts) > 1 or not all(_is_loopback(f"//{host}") for host in hosts):
        return "the header Host names another server than this machine's own"
    if not origins:
        return None if all(site in _OWN_SITE for site in sites) else _OF_A_PAGE
    own = [f"http://{host}".lower() for host in hosts]
    allowed = all(origin.lower() in own or (local_pages and _is_loopback(origin)) for origin in origins)
    return None if allowed else _OF_A_PAGE


_OF_A_PAGE = "it comes from a page of another web site"


def said(reason: str) -> str:
    """The body of a refusal."""
    return f"this server does not answer: {reason}\n"


@lru_cache(256)
def _is_loopback(address: str) -> bool:
    """Whether the host of an address is this machine's own: localhost, 127.0.0.0/8 or ::1."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
