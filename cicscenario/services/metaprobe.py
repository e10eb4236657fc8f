"""Tells cic-meta from other web servers, without changing anything. Source: cic-meta, ``scripts/server/server.ts``."""

from cicscenario.services.metahttp import MetaConnections

_HEADER = "x-cic-automerge"
_NO_POINTER = "/cicscenario"  # not 64 hexadecimal digits


def is_cic_meta(http: MetaConnections) -> bool:
    """Whether the server answers as cic-meta does. Raises NoAnswerError.

    cic-meta names its own header in the answer to OPTIONS. Where a proxy answers OPTIONS itself, two answers without a body
    are compared: cic-meta says 400 to what is not a pointer, and 404 to a pointer without an entry. Other servers say the
    same to both.
    """
    options = http.request("OPTIONS", "/")
    if options.status == 200 and _HEADER in options.headers.get("access-control-allow-headers", "").lower():
        return True
    bad = http.request("GET", _NO_POINTER)
    missing = http.request("GET", f"/{bytes(32).hex()}")
    return bad.status == 400 and not bad.body and missing.status in (200, 404) and (missing.is_json or not missing.body)
